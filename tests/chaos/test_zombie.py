"""Workers that were taken for dead and come back: their results are refused, and they begin anew."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

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

FROZEN_S = 3 * LEASE_S
#: Over when the worker thaws.
WORK_S = 2.0
#: Not over by then.
LONG_S = 3600.0


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


@pytest.mark.slow
async def test_a_host_frozen_for_three_leases(redis7: RedisServer, tmp_path: Path) -> None:
    """Another host runs its tasks; thawed, what it finishes is refused, and it goes on under new names.

    The whole host is frozen, as a suspended virtual machine is: a supervisor that could see its
    shard stand still would replace it.
    """
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        tasks = [handle.id for handle in await client.submit_many("work", [WORK_S] * 10)]
        tasks += [handle.id for handle in await client.submit_many("thread", [WORK_S] * 4)]
        endless = [handle.id for handle in await client.submit_many("endless", ["frozen"] * 4)]
        with Host(redis7.url, ledger, "frozen", concurrency=10) as frozen:
            await frozen.ready()
            await wait_until_async(lambda: tail.starts == 18, "all of them run")
            zombies = frozen.incarnations()
            machine = [frozen.process.pid, *zombies]
            _send(machine, signal.SIGSTOP)
            with Host(redis7.url, ledger, "other") as other:
                await other.ready()
                shards = set(other.incarnations())
                await asyncio.sleep(FROZEN_S)  # the fault itself
                assert all(len(s) == 0 for s in map(tail.running, shards))
                assert tail.finishes == 18
                _send(machine, signal.SIGCONT)
                await wait_until_async(lambda: tail.finishes >= 18 + 14, "the zombies finish")

                def reborn() -> bool:
                    now = frozen.incarnations()
                    return len(now) == 2 and not set(now.values()) & set(zombies.values())

                await wait_until_async(reborn, "it goes on under new names", 15)
            # The other is gone: what comes now is run by the reborn.
            more = [handle.id for handle in await client.submit_many("work", [0.01] * 50)]
            proof = await prove(
                client,
                list(map(Submitted, tasks + endless + more)),
                ledger,
                max_duplicate_runs=18,
                allow_overlapping=True,
            )
            reborn_pids = set(frozen.incarnations())
    for task_id in tasks + endless:
        assert int(proof.tasks[task_id].fields["result"]) in shards, "a zombie's result was taken"
    for task_id in more:
        assert int(proof.tasks[task_id].fields["result"]) in reborn_pids
    proof.assert_uncharged(tasks + endless, {"lost"})
    record(
        "a host frozen for three leases, then thawed",
        "redis7",
        tasks=len(proof.tasks),
        again=sum(proof.duplicate_runs.values()),
    )
    assert len(ledger.task_ids("refused to stop")) == len(endless), "a zombie was not stopped"


@pytest.mark.slow
async def test_a_frozen_shard_is_replaced_by_its_supervisor(
    valkey: RedisServer, tmp_path: Path
) -> None:
    """SIGSTOP of one shard for three leases: it is killed before that, and its tasks run elsewhere."""
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(valkey.url, partitions=PARTITIONS)) as client:
        tasks = [handle.id for handle in await client.submit_many("work", [WORK_S] * 20)]
        with Host(valkey.url, ledger, concurrency=10) as host:
            await host.ready()
            await wait_until_async(lambda: tail.starts == len(tasks), "all of them run")
            pid = host.places()[0]
            taken = tail.running(pid)
            os.kill(pid, signal.SIGSTOP)
            await wait_until_async(lambda: pid not in host.incarnations(), "it is killed", 10)
            await host.ready()
            proof = await prove(
                client, list(map(Submitted, tasks)), ledger, max_duplicate_runs=len(taken)
            )
    assert taken
    proof.assert_uncharged(taken, {"killed", "lost"})
    record(
        "one shard frozen, and replaced by its supervisor",
        "valkey",
        tasks=len(tasks),
        again=sum(proof.duplicate_runs.values()),
    )
