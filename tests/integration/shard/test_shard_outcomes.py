"""However a handler ends, exactly that is recorded, and the shard goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from shoal import Shoal, State, TaskContext
from shoal.errors import TaskCancelled, TaskFailed
from shoal.model.task import Task
from tests.integration.shard.harness import client_on, shard_on
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


class Email(msgspec.Struct):
    """A payload with types."""

    to: str
    copies: int = 1


@dataclass
class Point:
    """Another."""

    x: int
    y: int


async def _dead(handle: Any) -> Task:
    with pytest.raises(TaskFailed) as caught:
        await handle.result(timeout=15)
    return caught.value.task


async def test_handlers_get_what_they_declare_and_their_result_is_kept(server: RedisServer) -> None:
    """Coroutines and plain functions; Structs, dataclasses and plain JSON; context and result."""
    app = Shoal()

    @app.task("mail")
    async def mail(ctx: TaskContext, payload: Email) -> dict[str, object]:
        await asyncio.sleep(0)
        return {"to": payload.to, "n": payload.copies, "attempt": ctx.attempt, "id": ctx.id}

    @app.task("point")
    def point(ctx: TaskContext, payload: Point) -> dict[str, object]:
        in_thread = threading.current_thread() is not threading.main_thread()
        return {"sum": payload.x + payload.y, "in_thread": in_thread, "worker": ctx.worker_id}

    @app.task("plain")
    async def plain(ctx: TaskContext, payload: Any) -> list[Any]:
        return [payload, dict(ctx.metadata)]

    async with client_on(server) as client, shard_on(server.url, app):
        first = await client.submit("mail", {"to": "a@b.c", "copies": 2})
        assert await first.result(10) == {"to": "a@b.c", "n": 2, "attempt": 1, "id": first.id}
        second = await client.submit("point", Point(1, 2))
        assert await second.result(10) == {"sum": 3, "in_thread": True, "worker": "w-0"}
        big = {"n": 9007199254740993, "l": [], "f": 1.0}
        third = await client.submit("plain", big, metadata={"trace": "7"})
        assert await third.result(10) == [big, {"trace": "7"}]
        task = await third.task()
        assert task.worker_id in {"w-0.aaaaaa", "w-0"}
        assert [attempt.outcome for attempt in task.history] == ["completed"]


def _raise(error: BaseException) -> Any:
    raise error


RAISERS: dict[str, tuple[Callable[[], Any], str]] = {
    "value": (lambda: _raise(ValueError("wrong")), "ValueError"),
    "huge": (lambda: _raise(ValueError("x" * 5_000_000)), "ValueError"),
    "surrogate": (lambda: _raise(ValueError("\ud800")), "ValueError"),
    "exit": (lambda: _raise(SystemExit(3)), "SystemExit"),
    "interrupt": (lambda: _raise(KeyboardInterrupt()), "KeyboardInterrupt"),
    "generator-exit": (lambda: _raise(GeneratorExit()), "GeneratorExit"),
    "cancelled": (lambda: _raise(asyncio.CancelledError()), "asyncio.exceptions.CancelledError"),
    "group": (lambda: _raise(ExceptionGroup("g", [ValueError(), KeyError()])), "ExceptionGroup"),
    "base-group": (
        lambda: _raise(BaseExceptionGroup("g", [SystemExit()])),
        "BaseExceptionGroup",
    ),
    "memory": (lambda: _raise(MemoryError()), "MemoryError"),
    "stop": (lambda: _raise(StopIteration(1)), "RuntimeError"),
    "recursion": (lambda: _recurse(0), "RecursionError"),
}


def _recurse(depth: int) -> int:
    return _recurse(depth + 1) + 1


async def test_every_kind_of_exception_is_a_recorded_failure(valkey: RedisServer) -> None:
    """From coroutines and threads, also what is no Exception; none of them ends the shard."""
    app = Shoal()
    for name, (raiser, _) in RAISERS.items():

        def define(raiser: Callable[[], Any], name: str) -> None:
            async def in_loop(_ctx: TaskContext, _payload: None) -> None:
                raiser()

            async def after_wait(_ctx: TaskContext, _payload: None) -> None:
                await asyncio.sleep(0.001)
                raiser()

            def in_thread(_ctx: TaskContext, _payload: None) -> None:
                raiser()

            for kind, handler in (("a", in_loop), ("w", after_wait), ("t", in_thread)):
                app.task(f"{kind}.{name}", max_retries=0)(handler)

        define(raiser, name)

    @app.task("fine")
    async def fine(_ctx: TaskContext, _payload: None) -> str:
        return "still here"

    async with client_on(valkey) as client, shard_on(valkey.url, app) as shard:
        handles = {
            (kind, name): await client.submit(f"{kind}.{name}")
            for name in RAISERS
            for kind in "awt"
        }
        for (kind, name), handle in handles.items():
            task = await _dead(handle)
            assert task.reason == "exhausted", (kind, name)
            assert task.error["type"] == RAISERS[name][1], (kind, name)
            assert len(task.error["message"]) <= 2000
            assert "invokers.py" not in task.error["traceback"].partition("\n")[0]
            assert task.attempts == 1
        assert await (await client.submit("fine")).result(10) == "still here"
        await wait_until_async(
            lambda: shard.page.failed == len(handles), "all failures are counted"
        )


async def test_a_payload_that_does_not_fit_is_dead_at_once_with_its_fields(
    valkey: RedisServer,
) -> None:
    """The handler never runs, and no retry is wasted."""
    app = Shoal()
    ran = []

    @app.task("mail", max_retries=5)
    async def mail(_ctx: TaskContext, payload: Email) -> None:
        ran.append(payload)

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        task = await _dead(await client.submit("mail", {"to": 7}))
        assert task.reason == "invalid_payload"
        assert task.error["errors"][0]["path"] == "to"
        assert ran == []


async def test_a_result_that_cannot_be_kept_is_a_clear_failure(valkey: RedisServer) -> None:
    """Not serialisable, or larger than allowed: dead at once, since the next run would return the same."""
    app = Shoal()

    @app.task("object")
    async def an_object(_ctx: TaskContext, _payload: None) -> object:
        return {"inside": object()}

    @app.task("nan")
    async def nan(_ctx: TaskContext, _payload: None) -> float:
        return float("nan")

    @app.task("large")
    async def large(_ctx: TaskContext, _payload: None) -> str:
        return "x" * 2_000_000

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        assert (await _dead(await client.submit("object"))).reason == "exhausted"
        assert (await _dead(await client.submit("nan"))).reason == "exhausted"
        task = await _dead(await client.submit("large"))
        assert task.reason == "exhausted"
        assert "2000002 bytes" in task.error["message"]


async def test_an_unknown_type_is_handed_back_for_a_while(valkey: RedisServer) -> None:
    """SCHEDULED, its attempts unchanged; nobody runs in a circle."""
    app = Shoal()
    async with client_on(valkey) as client, shard_on(valkey.url, app):
        handle = await client.submit("who.knows")

        async def is_deferred() -> bool:
            return await handle.state() is State.SCHEDULED

        await wait_until_async(is_deferred, "the task is handed back")
        task = await handle.task()
        assert task.attempts == 0
        assert [line.outcome for line in task.history] == ["deferred"]


async def test_a_type_that_is_new_in_a_rolling_deployment(valkey: RedisServer) -> None:
    """A worker of the old release hands it back, a new one runs it when it is due: the first attempt."""
    old, new = Shoal(), Shoal()

    @new.task("new.type")
    async def new_type(ctx: TaskContext, _payload: None) -> int:
        return ctx.attempt

    async with client_on(valkey) as client, shard_on(valkey.url, old):
        handle = await client.submit("new.type")

        async def is_deferred() -> bool:
            return await handle.state() is State.SCHEDULED

        await wait_until_async(is_deferred, "the old worker hands it back")
        async with shard_on(valkey.url, new, index=1):
            broker = await client.broker()
            counts = await broker.stats()
            assert counts["deferred:new.type"] == 1

            async def runs() -> bool:
                return await handle.state() is State.COMPLETED or (
                    # The old worker may have taken it again; the new one will be the next in the end.
                    (await handle.task()).attempts > 0
                )

            await wait_until_async(runs, "the new worker runs it", 40, interval_s=0.05)
        assert (await handle.task()).result == 1


async def test_a_handler_is_stopped_at_its_timeout(valkey: RedisServer) -> None:
    """A coroutine is cancelled, a thread is asked; both failed with ``timeout``, soon after it."""
    app = Shoal()
    asked = threading.Event()

    @app.task("slow", timeout=0.2, max_retries=0)
    async def slow(_ctx: TaskContext, _payload: None) -> None:
        await asyncio.sleep(60)

    @app.task("thread", timeout=0.2, max_retries=0)
    def thread(ctx: TaskContext, _payload: None) -> None:
        while not ctx.cancelled:
            time.sleep(0.005)
        asked.set()
        raise InterruptedError(ctx.cancel_reason)

    @app.task("own", timeout=30)
    async def own(_ctx: TaskContext, _payload: None) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            return "its own timeout is its own affair"
        return "never"

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        start = time.monotonic()
        handles = [await client.submit(name) for name in ("slow", "thread")]
        for handle in handles:
            task = await _dead(handle)
            assert task.reason == "timeout"
            assert "0.2 s" in task.error["message"]
        assert time.monotonic() - start < 2
        assert asked.is_set()
        assert await (await client.submit("own")).result(10) == "its own timeout is its own affair"


async def test_a_submitters_timeout_stands_above_the_types(valkey: RedisServer) -> None:
    """The task's own timeout holds, shorter or longer."""
    app = Shoal()

    @app.task("slow", timeout=30, max_retries=0)
    async def slow(_ctx: TaskContext, _payload: None) -> None:
        await asyncio.sleep(60)

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        task = await _dead(await client.submit("slow", timeout=0.1))
        assert task.reason == "timeout"


async def test_a_running_task_can_be_cancelled(server: RedisServer) -> None:
    """A coroutine is cancelled, a thread sees it; both end CANCELLED, within a second."""
    app = Shoal()
    running = set()

    @app.task("wait")
    async def wait(ctx: TaskContext, _payload: None) -> None:
        running.add(ctx.id)
        await asyncio.sleep(60)

    @app.task("thread")
    def thread(ctx: TaskContext, _payload: None) -> None:
        running.add(ctx.id)
        while not ctx.cancelled:
            time.sleep(0.005)
        raise RuntimeError("stopped")

    async with client_on(server) as client, shard_on(server.url, app):
        for name in ("wait", "thread"):
            handle = await client.submit(name)
            await wait_until_async(lambda: handle.id in running, "it runs")  # noqa: B023
            start = time.monotonic()
            assert await handle.cancel() is False
            with pytest.raises(TaskCancelled):
                await handle.result(10)
            assert time.monotonic() - start < 1


async def test_a_handler_that_finishes_first_is_completed(valkey: RedisServer) -> None:
    """What returns in spite of a cancel has done its work, and its result is kept."""
    app = Shoal()
    running = asyncio.Event()

    @app.task("saves")
    async def saves(_ctx: TaskContext, _payload: None) -> str:
        running.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "saved"
        return "never"

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        handle = await client.submit("saves")
        await running.wait()
        await handle.cancel()
        assert await handle.result(10) == "saved"
        assert await handle.state() is State.COMPLETED
