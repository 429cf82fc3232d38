"""A handler that holds its shard's event loop for long, within its timeout."""

from __future__ import annotations

import re
import time
from pathlib import Path

from shoal import Shoal
from tests.chaos.host import LEASE_S, PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.tail import LedgerTail
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

#: Four leases.
BLOCKED_S = 4 * LEASE_S


async def test_a_blocked_loop_keeps_its_leases_and_concerns_no_other_shard(
    redis7: RedisServer, tmp_path: Path
) -> None:
    """It is named with its stack; what its neighbours run stays theirs; the other shard works on meanwhile."""
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with Host(redis7.url, ledger, shards=2, concurrency=4) as host:
            await host.ready()
            shards = host.incarnations()
            neighbours = await client.submit_many("work", [1.0] * 6)
            await wait_until_async(lambda: tail.starts == 6, "its neighbours run")
            blocker = await client.submit("blocks", BLOCKED_S)
            await wait_until_async(lambda: tail.has_started(blocker.id), "it blocks")
            # One shard is left, with four places; none of these may wait for the other.
            passing = []
            until_s = time.monotonic() + 3 * LEASE_S
            while time.monotonic() < until_s:
                handle = await client.submit("work", 0.05)
                await handle.result(LEASE_S)
                passing.append(handle)
            assert len(passing) >= 10
            assert (await blocker.task()).state.value == "RUNNING"
            blocked = await blocker.result(BLOCKED_S + 10)
            tasks = [handle.id for handle in (*neighbours, *passing, blocker)]
            await prove(client, list(map(Submitted, tasks)), ledger)
            assert host.incarnations() == shards
            others = {await handle.result(1) for handle in passing}
            assert others == set(shards) - {blocked}
            # Said by a thread that looks now and then, and read by another of this process.
            await wait_until_async(
                lambda: "the event loop turns again" in host.process.stderr, "it turns again"
            )
            log = host.process.stderr
            named = [line for line in log.splitlines() if "blocks blocks the event loop" in line]
            assert 2 <= len(named) <= 5, named
            assert blocker.id in named[0]
            record("a handler that blocks the event loop", "redis7", tasks=len(tasks))
            assert re.search(r"program\.py:\d+ blocks", named[0])
