"""What a handler says while it runs: stored with its task, seldom, and never in the way."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from shoal import Shoal, State, TaskContext
from shoal.errors import TaskFailed
from tests.integration.shard.harness import client_on, shard_on
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


async def test_progress_is_seen_while_the_task_runs(server: RedisServer) -> None:
    """From a coroutine and a thread; the last report counts, and the log is whole in the end."""
    app, go_on = Shoal(), threading.Event()

    @app.task("loop")
    async def loop(ctx: TaskContext, _payload: None) -> None:
        ctx.progress(1, 4, "first")
        while not go_on.is_set():  # noqa: ASYNC110 - set from outside any loop, for a thread too
            await asyncio.sleep(0.005)
        ctx.progress(4, 4, "last")
        ctx.log("the end")

    @app.task("thread")
    def thread(ctx: TaskContext, _payload: None) -> None:
        ctx.progress(0.25, message="first")
        go_on.wait(10)
        ctx.progress(1.0, message="last")
        ctx.log("the end")

    async with client_on(server) as client, shard_on(server.url, app):
        handles = [await client.submit("loop"), await client.submit("thread")]
        for handle in handles:

            async def is_shown(handle=handle) -> bool:  # type: ignore[no-untyped-def]  # noqa: ANN001
                task = await handle.task()
                return bool(task.progress and task.progress["message"] == "first")

            await wait_until_async(is_shown, "its progress is shown")
            task = await handle.task()
            assert task.state is State.RUNNING
            assert task.progress is not None
            assert (task.progress["fraction"], task.progress["attempt"]) == (0.25, 1)
        go_on.set()
        for handle in handles:
            await handle.result(10)
            task = await handle.task()
            assert task.progress is not None
            assert (task.progress["fraction"], task.progress["message"]) == (1.0, "last")
            assert [line.message for line in task.log] == ["the end"]
            assert task.to_json()["log"][0]["at"].endswith("Z")


async def test_a_chatty_handler_costs_few_calls(valkey: RedisServer) -> None:
    """Ten thousand reports in a moment are a handful of calls, and the log keeps the last 100 lines."""
    app = Shoal()

    @app.task("chatty")
    async def chatty(ctx: TaskContext, _payload: None) -> None:
        for n in range(10_000):
            ctx.progress(n + 1, 10_000)
            ctx.log(f"{n}")
            if n % 1000 == 0:
                await asyncio.sleep(0.01)

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        handle = await client.submit("chatty")
        await handle.result(20)
        task = await handle.task()
        assert task.progress is not None
        assert task.progress["fraction"] == 1.0
        assert [line.message for line in task.log] == [str(n) for n in range(9900, 10_000)]
        broker = await client.broker()
        with valkey.client() as redis:
            events = redis.xrange(broker.keys[0].prefix + "events")
        assert sum(event[b"k"] == b"progress" for _, event in events) < 15


async def test_a_failed_attempts_log_stays_for_the_next(valkey: RedisServer) -> None:
    """Lines of all attempts, each with its number; also what was said just before the failure."""
    app = Shoal()

    @app.task("flaky", max_retries=1)
    async def flaky(ctx: TaskContext, _payload: None) -> None:
        ctx.log(f"attempt {ctx.attempt}", level="error")
        raise ValueError

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        handle = await client.submit("flaky")
        with pytest.raises(TaskFailed):
            await handle.result(20)
        task = await handle.task()
        assert [(line.attempt, line.message) for line in task.log] == [
            (1, "attempt 1"),
            (2, "attempt 2"),
        ]


async def test_a_handler_gives_itself_more_time(valkey: RedisServer) -> None:
    """From the loop and from a thread; the timeout that is told is the longer one."""
    app = Shoal()

    @app.task("loop", timeout=0.3)
    async def loop(ctx: TaskContext, _payload: None) -> str:
        ctx.extend(30)
        await asyncio.sleep(0.6)
        return "done"

    @app.task("thread", timeout=0.3)
    def thread(ctx: TaskContext, _payload: None) -> str:
        ctx.extend("30s")
        time.sleep(0.6)
        return f"done {ctx.cancelled}"

    @app.task("not.enough", timeout=0.2, max_retries=0)
    async def not_enough(ctx: TaskContext, _payload: None) -> None:
        ctx.extend(0.2)
        await asyncio.sleep(60)

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        assert await (await client.submit("loop")).result(10) == "done"
        assert await (await client.submit("thread")).result(10) == "done False"
        handle = await client.submit("not.enough")
        with pytest.raises(TaskFailed) as caught:
            await handle.result(10)
        assert "0.4 s" in caught.value.task.error["message"]


async def test_an_outage_loses_no_line_of_a_task_that_goes_on(valkey: RedisServer) -> None:
    """Redis frozen for longer than its timeout: what was said meanwhile is there afterwards, once."""
    app, may_end = Shoal(), asyncio.Event()

    @app.task("speaks")
    async def speaks(ctx: TaskContext, _payload: None) -> None:
        n = 0
        while not may_end.is_set():
            ctx.log(str(n := n + 1))
            await asyncio.sleep(0.05)

    async with client_on(valkey) as client, shard_on(valkey.url, app, redis__timeout_s=0.5):
        handle = await client.submit("speaks")

        async def has_spoken() -> bool:
            return bool((await handle.task()).log)

        await wait_until_async(has_spoken, "it speaks")
        valkey.stop_process()
        await asyncio.sleep(1.5)
        valkey.continue_process()
        before = time.monotonic()

        async def is_whole() -> bool:
            lines = [int(line.message) for line in (await handle.task()).log]
            return lines == list(range(1, len(lines) + 1)) and len(lines) > 35

        await wait_until_async(is_whole, "all lines are there, in order and once")
        may_end.set()
        await handle.result(10)
        assert time.monotonic() - before < 10
