"""Slow is not dead, dead is handed back, and what an outage hides comes to light."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal import Shoal, State, TaskContext
from shoal.broker.keys import GROUP
from shoal.broker.registry import Registry
from shoal.broker.sync_broker import SyncBroker
from shoal.errors import ExitStatus
from shoal.lifecycle import EXIT_RECYCLED
from shoal.model.worker import WorkerRecord, WorkerState
from shoal.telemetry.logs import logger
from tests.integration.shard.harness import client_on, shard_on, shard_process, until_settled
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """What is logged during the test."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), format="{message} {extra}")
    yield lines
    logger.remove(sink)


async def test_a_handler_that_blocks_the_loop_keeps_its_lease_and_its_neighbours(
    redis7: RedisServer, tmp_path: Path
) -> None:
    """Blocked for more than a lease beside a recovering shard: nothing runs twice, and the log names it."""
    ledger = Ledger(tmp_path / "ledger")
    app, runs = Shoal(), Counter[str]()

    @app.task("sleep")
    async def sleep(ctx: TaskContext, _payload: float) -> None:
        runs[ctx.id] += 1

    @app.task("block")
    async def block(ctx: TaskContext, _payload: float) -> None:
        runs[ctx.id] += 1

    async with client_on(redis7) as client:
        with shard_process(redis7.url, ledger, WORKER_CONCURRENCY=4) as host:
            await asyncio.to_thread(host.wait_for_output, "report R")
            handles = [await client.submit("sleep", 4.0) for _ in range(3)]
            await wait_until_async(lambda: len(ledger.read("start")) == 3, "its neighbours run")
            handles.append(await client.submit("block", 4.5))
            await wait_until_async(lambda: len(ledger.read("start")) == 4, "it blocks")
            async with shard_on(redis7.url, app, index=1):
                for handle in handles:
                    await handle.result(20)
            warnings = [
                line for line in host.stderr.splitlines() if "blocks the event loop" in line
            ]
            assert "block blocks the event loop" in warnings[0]
            assert handles[3].id in warnings[0]
            # The handler's frames, without the processes and loops below it.
            stack = json.loads(warnings[0])["stack"].split(" > ")
            assert len(stack) == 1
            assert re.fullmatch(r"program\.py:\d+ block", stack[0])
            host.terminate()
            assert await asyncio.to_thread(host.wait) == ExitStatus.OK
    assert runs == Counter()
    assert len(ledger.read("start")) == len(ledger.read("finish")) == 4


async def test_a_dead_shards_tasks_run_elsewhere_after_a_lease(
    redis7: RedisServer, tmp_path: Path
) -> None:
    """Kill -9 without a supervisor: another shard recovers them, and each runs once more."""
    ledger = Ledger(tmp_path / "ledger")
    app, runs = Shoal(), Counter[str]()

    @app.task("sleep")
    async def sleep(ctx: TaskContext, _payload: float) -> None:
        runs[ctx.id] += 1

    async with client_on(redis7) as client:
        with shard_process(redis7.url, ledger) as host:
            await asyncio.to_thread(host.wait_for_output, "report R")
            handles = [await client.submit("sleep", 60) for _ in range(5)]
            await wait_until_async(lambda: len(ledger.read("start")) == 5, "they run")
            async with shard_on(redis7.url, app, index=1):
                start = time.monotonic()
                _kill_shard(host.children())
                for handle in handles:
                    await handle.result(15)
                assert time.monotonic() - start < 8
    assert runs == Counter({handle.id: 1 for handle in handles})


def _kill_shard(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


async def test_a_shard_that_was_released_cancels_everything_and_ends(
    valkey: RedisServer, log_lines: list[str]
) -> None:
    """Told that it is dead: its handlers are cancelled, and their tasks run elsewhere."""
    app, other, started, stopped, ran = Shoal(), Shoal(), asyncio.Event(), [], []

    @app.task("wait")
    async def wait(ctx: TaskContext, _payload: None) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append(ctx.id)

    @other.task("wait")
    async def run(ctx: TaskContext, _payload: None) -> str:
        ran.append(ctx.id)
        return "elsewhere"

    async with client_on(valkey) as client, shard_on(valkey.url, app) as shard:
        handle = await client.submit("wait")
        await started.wait()
        sync = SyncBroker(shard.settings)
        assert await asyncio.to_thread(sync.release, shard.incarnation, "lost") == (1, 0)
        sync.close()
        assert await asyncio.wait_for(asyncio.shield(shard.task), 5) == EXIT_RECYCLED
        assert stopped == [handle.id]
        async with shard_on(valkey.url, other, index=1):
            assert await handle.result(10) == "elsewhere"
        assert ran == [handle.id]
    assert any("silent for too long" in line for line in log_lines)


async def test_a_task_that_was_taken_over_is_stopped_and_not_settled(valkey: RedisServer) -> None:
    """The renewal says ``lost``: the handler is cancelled and the other's outcome stands."""
    app, started, stopped = Shoal(), asyncio.Event(), asyncio.Event()

    @app.task("wait")
    async def wait(_ctx: TaskContext, _payload: None) -> str:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
        return "mine"

    async with client_on(valkey) as client, shard_on(valkey.url, app) as shard:
        handle = await client.submit("wait")
        await started.wait()
        with valkey.client() as redis:
            broker = await client.broker()
            stream = broker.keys[0].prefix + "stream:default:1"
            # Another worker takes the entry, as a recovery would let it.
            (entry,) = redis.xpending_range(stream, GROUP, "-", "+", 1)
            redis.xclaim(stream, GROUP, "w-9.zzzzzz", 0, [entry["message_id"]])
            await asyncio.wait_for(stopped.wait(), 5)
            await wait_until_async(lambda: shard.page.running == 0, "nothing runs here")
            (entry,) = redis.xpending_range(stream, GROUP, "-", "+", 1)
            assert entry["consumer"] == b"w-9.zzzzzz"
        sync = SyncBroker(shard.settings)
        assert await asyncio.to_thread(sync.release, "w-9.zzzzzz", "lost") == (1, 0)
        sync.close()
        assert await handle.state() is not State.COMPLETED


async def test_what_is_pending_under_a_shard_that_does_not_know_it_is_handed_back(
    redis7: RedisServer, log_lines: list[str]
) -> None:
    """Claimed in its name by a call it never sent: it hands the task back, and then runs it, once."""
    app, runs = Shoal(), Counter[str]()

    @app.task("count")
    async def count(ctx: TaskContext, _payload: None) -> None:
        runs[ctx.id] += 1

    async with client_on(redis7) as client:
        broker = await client.broker()
        await broker.pause("default")
        handle = await client.submit("count")
        async with shard_on(redis7.url, app, worker__queues="other") as shard:
            await broker.resume("default")
            claimed = await broker.claim(0, shard.incarnation, 900, 1)
            assert len(claimed.claims) == 1
            await wait_until_async(
                lambda: any("nothing runs" in line for line in log_lines), "it is noticed", 10
            )
            await until_settled(broker, PENDING=1)
        async with shard_on(redis7.url, app, index=1):
            await handle.result(10)
    assert runs == Counter({handle.id: 1})
    assert any("a later claim is on record" in line for line in log_lines)


async def test_an_outage_longer_than_a_lease_makes_nothing_run_twice(redis7: RedisServer) -> None:
    """Redis frozen for 1.5 leases with an idle shard looking on: what runs is still the runner's."""
    apps, runs = [Shoal(), Shoal()], Counter[str]()
    for app in apps:

        @app.task("sleep")
        async def sleep(ctx: TaskContext, payload: float) -> None:
            runs[ctx.id] += 1
            await asyncio.sleep(payload)

    async with client_on(redis7) as client, shard_on(redis7.url, apps[0]):
        handles = [await client.submit("sleep", 7) for _ in range(8)]
        await wait_until_async(lambda: len(runs) == 8, "they run")
        async with shard_on(redis7.url, apps[1], index=1):
            redis7.stop_process()
            await asyncio.sleep(4.5)
            redis7.continue_process()
            for handle in handles:
                await handle.result(15)
    assert set(runs.values()) == {1}


async def test_a_successor_leaves_its_dead_to_the_releaser(server: RedisServer) -> None:
    """Only the supervisor knows whom to blame: who takes a dead one's name hands back nothing of it."""
    app, dead = Shoal(), "w-0.zzzzzz"
    async with client_on(server) as client:
        broker = await client.broker()
        worker = WorkerRecord(
            incarnation=dead, state=WorkerState.BUSY, concurrency=1, started_at_ms=1,
            last_heartbeat_ms=1, host="h", pid=1, version="1",
        )  # fmt: skip
        await Registry(broker).take_name(worker)
        await client.submit("sleep", 0)
        assert len((await broker.claim(0, dead, 1, 1)).claims) == 1
        async with shard_on(server.url, app, replaces=dead):
            assert (await broker.counts_by_state())["RUNNING"] == 1
        assert (await broker.release(0, dead, "killed")).released == 1
