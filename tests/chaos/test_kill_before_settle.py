"""A shard that dies after its handlers have done their work, and before anybody heard of it."""

from __future__ import annotations

from pathlib import Path

from shoal import Shoal
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.tail import LedgerTail
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

TASKS = 20


async def test_kill_after_the_effect_and_before_its_record(
    valkey: RedisServer, tmp_path: Path
) -> None:
    """The outcomes never reach Redis: every task runs once more, uncharged, and has one result."""
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(valkey.url, partitions=PARTITIONS)) as client:
        with Proxy(valkey.port) as proxy, Host(proxy.url, ledger, shards=1) as host:
            await host.ready()
            tasks = [handle.id for handle in await client.submit_many("work", [0.5] * TASKS)]
            await wait_until_async(lambda: tail.starts == TASKS, "all of them run")
            (pid,) = host.incarnations()
            proxy.black_hole("requests")
            await wait_until_async(lambda: tail.finishes == TASKS, "all have had their effect")
            assert (await (await client.broker()).counts_by_state())["RUNNING"] == TASKS
            host.kill_shard(pid)
            proxy.heal()
            proof = await prove(
                client, list(map(Submitted, tasks)), ledger, max_duplicate_runs=TASKS
            )
            (successor,) = host.incarnations()
    assert proof.duplicate_runs == dict.fromkeys(tasks, 1)
    proof.assert_uncharged(tasks, {"killed"})
    record("a shard killed after the effect, before its record", "valkey", tasks=TASKS, again=TASKS)
    for task_id in tasks:
        assert int(proof.tasks[task_id].fields["result"]) == successor
