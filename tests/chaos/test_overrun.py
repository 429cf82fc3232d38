"""Handlers that go on beyond timeout and grace: their shard makes room, and nobody else pays."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shoal import Shoal, State
from shoal.broker.verify import verify
from shoal.shard.executor import GRACE_S
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.results import record
from tests.chaos.tail import LedgerTail, hurry
from tests.support.builders import settings_for
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

#: What a shard leaves of WORKER_SHUTDOWN_TIMEOUT for its neighbours is 2 s with this.
SHUTDOWN_S = 5.0


@pytest.mark.parametrize("stuck", ["swallows", "holds.loop"])
async def test_a_handler_that_does_not_end_costs_its_shard_and_no_neighbour(
    valkey: RedisServer, tmp_path: Path, stuck: str
) -> None:
    """One that swallows its cancellation, one that holds the event loop: DEAD ``timeout`` after the grace.

    What ran beside it is handed back uncharged and runs in the replacement, which starts at once.
    """
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(valkey.url, partitions=PARTITIONS)) as client:
        neighbours = await client.submit_many("work", [60.0] * 3)
        env = {"WORKER_SHUTDOWN_TIMEOUT": f"{SHUTDOWN_S:g}s"}
        with Host(valkey.url, ledger, shards=1, concurrency=8, env=env) as host:
            await host.ready()
            (old,) = host.incarnations()
            await wait_until_async(lambda: tail.starts == 3, "its neighbours run")
            handle = await client.submit(stuck, 120.0)
            await wait_until_async(lambda: tail.starts == 4, "it runs")
            hurry(ledger)  # for the second run of what goes on for a minute now
            began_s = time.monotonic()
            await wait_until_async(lambda: not is_alive(old), "its shard has ended", 20)
            ended_s = time.monotonic()
            await host.ready()
            replaced_s = time.monotonic()
            for neighbour in neighbours:
                await neighbour.result(20)
            (new,) = host.incarnations()
            print(  # noqa: T201 - the measurement itself
                f"ended after {ended_s - began_s:.1f} s, replaced {replaced_s - ended_s:.2f} s later"
            )
            host.process.terminate()
            host.process.wait(10)
        assert new != old
        assert GRACE_S < ended_s - began_s < GRACE_S + SHUTDOWN_S + 3
        assert replaced_s - ended_s < 1.5
        task = await handle.task()
        assert (task.state, task.reason) == (State.DEAD, "timeout")
        assert "could not be stopped" in task.error["message"]
        for neighbour in neighbours:
            ran = await neighbour.task()
            assert [line.outcome for line in ran.history] == ["retired", "completed"]
            assert ran.attempts == 1
        report = await verify(await client.broker())
        assert report.ok, report.lines()
    record(
        f"a handler that {'swallows its cancellation' if stuck == 'swallows' else 'holds the loop'}"
        " beyond its timeout (shard replaced)",
        "valkey",
        tasks=len(neighbours) + 1,
        again=len(neighbours),
        recovery_s=[replaced_s - ended_s],
    )
