"""Tasks that kill what runs them: blamed by evidence, set apart, quarantined; others are none the worse."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from shoal import Shoal
from shoal.broker.verify import verify
from shoal.model.attempt import parse_history
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import drained
from tests.chaos.results import record
from tests.chaos.sizes import size
from tests.support.builders import settings_for
from tests.support.checker import Submitted, check
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

APP = "tests.chaos.poison_program:app"
#: How long poison flows.
FLOW_S = size(8.0, 60.0)
POISON_A_SECOND = 10
GOOD_A_SECOND = size(200, 1000)
_DIED = re.compile(r"shard (\d+) died")


def _host(server: RedisServer, ledger: Ledger, shards: int = 2) -> Host:
    return Host(server.url, ledger, app=APP, shards=shards, SHOAL_ISOLATION_IDLE="2s")


@pytest.mark.slow
@pytest.mark.parametrize("type_", ["poison", "poison.thread"])
@pytest.mark.parametrize("how", ["segfault", "abort", "exit3", "exit0"])
async def test_poison_is_quarantined_beside_good_tasks(
    redis7: RedisServer, tmp_path: Path, type_: str, how: str
) -> None:
    """However it dies: one crash of a working shard, two of the isolation shard, then DEAD.

    Its neighbours run again, uncharged.
    """
    ledger = Ledger(tmp_path / "ledger")
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        broker = await client.broker()
        with _host(redis7, ledger, shards=1) as host:
            await host.ready()
            good = [handle.id for handle in await client.submit_many("good", [1.0] * 10)]
            await wait_until_async(lambda: len(ledger.read()) >= 10, "the good tasks run")
            poison = await client.submit(type_, how)

            async def is_over() -> bool:
                counts = await broker.counts_by_state()
                return (counts["DEAD"], counts["COMPLETED"]) == (1, len(good))

            await wait_until_async(is_over, "the poison is dead, the good are done", 30)
            assert len(_DIED.findall(host.process.stderr)) == 1, host.process.stderr
            await wait_until_async(
                lambda: "shard isolation ended" in host.process.stderr, "it ends when idle", 10
            )
        found = await broker.inspect([poison.id, *good])
        dead, *rest = [task for task in found if task is not None]
        assert dead.fields["reason"] == b"quarantined"
        assert dead.fields["crashes"] == b"3"
        assert [line.outcome for line in parse_history(dead.fields["history"])] == ["crashed"] * 3
        for task in rest:
            assert "crashes" not in task.fields
            assert "recoveries" not in task.fields
            lines = parse_history(task.fields["history"])
            assert [line.outcome for line in lines] == ["beside_crash", "completed"]
        report = await verify(broker)
        assert report.ok, report.lines()
        record(
            "a task that kills its process: exit, abort, segfault",
            "redis7",
            tasks=len(good) + 1,
            again=len(good),
        )


@pytest.mark.slow
async def test_code_that_holds_the_interpreter_is_charged(
    redis7: RedisServer, tmp_path: Path
) -> None:
    """C code that silences even the renew thread: its shard is killed before the lease passes, and it is charged.

    Its neighbours run again, uncharged.
    """
    ledger = Ledger(tmp_path / "ledger")
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        broker = await client.broker()
        with _host(redis7, ledger, shards=1) as host:
            await host.ready()
            good = [handle.id for handle in await client.submit_many("good", [2.0] * 10)]
            await wait_until_async(lambda: len(ledger.read()) >= 10, "the good tasks run")
            stuck = await client.submit("hold", None)

            async def is_over() -> bool:
                counts = await broker.counts_by_state()
                return (counts["DEAD"], counts["COMPLETED"]) == (1, len(good))

            await wait_until_async(is_over, "the stuck one is dead, the good are done", 60)
            assert len(_DIED.findall(host.process.stderr)) == 1
        dead, *rest = [task for task in await broker.inspect([stuck.id, *good]) if task is not None]
        assert (dead.fields["reason"], dead.fields["crashes"]) == (b"quarantined", b"3")
        assert b"silent" in dead.fields["error"]
        assert not any("crashes" in task.fields or "recoveries" in task.fields for task in rest)
        report = await verify(broker)
        assert report.ok, report.lines()
        record("a handler stuck in C code", "redis7", tasks=len(good) + 1)


def _percentile_99(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


@pytest.mark.slow
async def test_a_flow_of_poison_beside_a_flow_of_good_tasks(
    redis7: RedisServer, tmp_path: Path
) -> None:
    """Poison at 10/s: at most 10 crashes of working shards, nothing good quarantined, its P99 below 5 s."""
    ledger = Ledger(tmp_path / "ledger")
    ways = ("segfault", "abort", "exit1")
    good: dict[str, float] = {}
    poison: list[str] = []
    loop = asyncio.get_running_loop()
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        broker = await client.broker()
        with _host(redis7, ledger) as host:
            await host.ready()
            begun = loop.time()
            step_s = 1 / POISON_A_SECOND
            for step in range(int(FLOW_S / step_s)):
                handles = await client.submit_many("good", [0.01] * (GOOD_A_SECOND // 10))
                at = time.time()
                good.update({handle.id: at for handle in handles})
                poison.append((await client.submit("poison", ways[step % 3])).id)
                await asyncio.sleep(max(0.0, begun + (step + 1) * step_s - loop.time()))

            async def are_done() -> bool:
                return (await broker.counts()).get(("COMPLETED", "good")) == len(good)

            await wait_until_async(are_done, "all good tasks are done", 30)
            working = len(_DIED.findall(host.process.stderr))
            assert working <= 10, working

            async def some_are_dead() -> bool:
                return (await broker.counts_by_state())["DEAD"] >= 1

            await wait_until_async(some_are_dead, "poison is quarantined", 30)
            assert host.process.returncode is None, "the supervisor is no victim"
            # What is left of the poison would take the isolation shard minutes.
            await broker.cancel(poison, "the test ends")
            await drained(broker)
        rows = await broker.inspect(list(good))
        took = [float(row.fields["result"]) - good[row.id] for row in rows if row is not None]
        assert len(took) == len(good)
        print(  # noqa: T201 - the measurement itself
            f"{len(good)} good, {len(poison)} poison: {working} crashes of working shards,"
            f" P99 {_percentile_99(took):.2f} s, {(await broker.counts_by_state())['DEAD']} quarantined"
        )
        assert _percentile_99(took) < 5.0
        assert not any("crashes" in row.fields for row in rows if row is not None)
        for row in await broker.inspect(poison):
            assert row is not None
            assert row.state != "COMPLETED"
            if row.state == "DEAD":
                assert (row.fields["reason"], row.fields["crashes"]) == (b"quarantined", b"3")
        runs = [entry for entry in ledger.read() if entry.task_id in good]
        verdict = check(
            [Submitted(task_id) for task_id in good],
            runs,
            final_states={row.id: row.state for row in rows if row is not None},
            accepted_results=list(good),
        )
        verdict.assert_sound(max_duplicate_runs=working * 40)
        report = await verify(broker)
        assert report.ok, report.lines()
        record(
            f"{POISON_A_SECOND} segfaults or aborts a second for {FLOW_S:g} s beside "
            f"{GOOD_A_SECOND:,} good tasks a second (P99 of the good)",
            "redis7",
            tasks=len(good) + len(poison),
            again=verdict.duplicate_run_count,
            recovery_s=[_percentile_99(took)],
        )
