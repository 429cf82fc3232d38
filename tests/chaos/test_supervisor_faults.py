"""Real hosts: their supervisor stopped, their shards killed again and again, recycled, or too large."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from shoal import Shoal
from shoal.broker.verify import verify
from shoal.errors import ExitStatus
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.sizes import size
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

APP = "tests.chaos.poison_program:app"
#: How long the supervisor stands still, in seconds.
STOPPED_S = size(8.0, 60.0)


@pytest.mark.slow
async def test_a_stopped_supervisor(redis7: RedisServer, tmp_path: Path) -> None:
    """SIGSTOP the supervisor for longer than two leases: its shards work on, nothing runs twice."""
    ledger = Ledger(tmp_path / "ledger")
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with Host(redis7.url, ledger) as host:
            await host.ready()
            shards = set(host.incarnations())
            host.process.send(signal.SIGSTOP)
            tasks = []
            end = asyncio.get_running_loop().time() + STOPPED_S
            while asyncio.get_running_loop().time() < end:
                tasks += [handle.id for handle in await client.submit_many("work", [0.05] * 20)]
                await asyncio.sleep(0.1)
            done = len(ledger.task_ids("finish"))
            assert done > len(tasks) // 2, "they worked meanwhile"
            host.process.send(signal.SIGCONT)
            await prove(client, list(map(Submitted, tasks)), ledger)
            assert set(host.incarnations()) == shards
        record(f"a supervisor stopped for {STOPPED_S:g} s", "redis7", tasks=len(tasks))


@pytest.mark.slow
async def test_shards_killed_again_and_again(redis7: RedisServer, tmp_path: Path) -> None:
    """Kill -9 every shard as soon as it lives: no fork bomb, a named exit status, and nothing is lost."""
    ledger = Ledger(tmp_path / "ledger")
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with Host(redis7.url, ledger) as host:
            await host.ready()
            killed: set[int] = set()

            def kill_all() -> bool:
                if host.process.returncode is not None:
                    return True
                for pid in set(host.incarnations()) - killed:
                    killed.add(pid)
                    os.kill(pid, signal.SIGKILL)
                return False

            await wait_until_async(kill_all, "the supervisor gives up", 60)
            assert host.process.returncode == ExitStatus.RESTART_LIMIT
        assert 20 <= len(killed) <= 24, "ten deaths a shard within a minute are borne"
        tasks = [handle.id for handle in await client.submit_many("work", [0.01] * 50)]
        with Host(redis7.url, ledger, "next") as after:
            await after.ready()
            await prove(client, list(map(Submitted, tasks)), ledger)
        record("every shard killed until the supervisor gives up", "redis7", tasks=len(tasks))


@pytest.mark.slow
@pytest.mark.parametrize(
    "limit", [{"SHOAL_MAX_TASKS_PER_SHARD": "200"}, {"SHOAL_MAX_MEMORY_PER_SHARD": "34MB"}]
)
async def test_shards_are_recycled(
    redis7: RedisServer, tmp_path: Path, limit: dict[str, str]
) -> None:
    """At its number of tasks or its memory a shard finishes what runs and is replaced; no task notices."""
    ledger = Ledger(tmp_path / "ledger")
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with Host(redis7.url, ledger, shards=1, env=limit) as host:
            await host.ready()
            tasks: list[str] = []

            async def is_replaced() -> bool:
                tasks.extend(h.id for h in await client.submit_many("work", [0.01] * 20))
                return host.process.stderr.count("shard 0 ended") >= 2

            await wait_until_async(is_replaced, "it was replaced twice", 30, interval_s=0.05)
            await prove(client, list(map(Submitted, tasks)), ledger)
            assert "died" not in host.process.stderr
        record("shards recycled by tasks and by memory", "redis7", tasks=len(tasks))


@pytest.mark.slow
async def test_a_handler_that_eats_memory(redis7: RedisServer, tmp_path: Path) -> None:
    """It holds the loop, so its shard can't end by itself: killed, charged, quarantined; the rest goes on."""
    ledger = Ledger(tmp_path / "ledger")
    limit = {"SHOAL_MAX_MEMORY_PER_SHARD": "150MB", "SHOAL_ISOLATION_IDLE": "2s"}
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        broker = await client.broker()
        with Host(redis7.url, ledger, app=APP, env=limit) as host:
            await host.ready()
            eater = await client.submit("eat", 4)
            good = [handle.id for handle in await client.submit_many("good", [0.5] * 30)]

            async def is_over() -> bool:
                counts = await broker.counts_by_state()
                return (counts["DEAD"], counts["COMPLETED"]) == (1, len(good))

            await wait_until_async(is_over, "the eater is dead, the good are done", 60)
        (task,) = await broker.inspect([eater.id])
        assert task is not None
        assert task.fields["reason"] == b"quarantined"
        assert b"memory limit" in task.fields["error"]
        report = await verify(broker)
        assert report.ok, report.lines()
        record("a handler that eats memory", "redis7", tasks=len(good) + 1)
