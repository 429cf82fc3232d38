"""What fails is tried again as its policy, its type and its handler say."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from shoal import NonRetryable, Retry, RetryPolicy, Shoal, State, TaskContext
from shoal.errors import TaskFailed
from shoal.model.task import Task
from tests.integration.shard.harness import client_on, shard_on
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


async def _dead(handle: Any) -> Task:
    with pytest.raises(TaskFailed) as caught:
        await handle.result(timeout=15)
    return caught.value.task


async def test_a_failure_is_retried_by_the_policy_until_it_succeeds(valkey: RedisServer) -> None:
    """FAILED in between; each attempt has its number and its line in the history."""
    app = Shoal()
    attempts = []

    @app.task("flaky", retry=RetryPolicy(max_retries=3, strategy="fixed", initial_backoff=0.01))
    async def flaky(ctx: TaskContext, _payload: None) -> int:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise OSError("not yet")
        return ctx.attempt

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        handle = await client.submit("flaky")
        assert await handle.result(10) == 3
        task = await handle.task()
        assert attempts == [1, 2, 3]
        assert [line.outcome for line in task.history] == ["failed", "failed", "completed"]
        assert [line.error for line in task.history] == [
            "OSError: not yet",
            "OSError: not yet",
            None,
        ]


async def test_a_handler_may_say_when_to_retry_or_that_it_is_final(valkey: RedisServer) -> None:
    """Retry has its own delay; NonRetryable is dead whatever the policy allows."""
    app = Shoal()
    times: list[float] = []

    @app.task("later", retry=RetryPolicy(max_retries=3, initial_backoff=60, jitter=False))
    async def later(ctx: TaskContext, _payload: None) -> str:
        times.append(time.monotonic())
        if ctx.attempt == 1:
            raise Retry("200ms")
        return "done"

    @app.task("final", max_retries=9)
    async def final(_ctx: TaskContext, _payload: None) -> None:
        raise NonRetryable("gone for good")

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        assert await (await client.submit("later")).result(10) == "done"
        assert 0.19 <= times[1] - times[0] < 1.5
        task = await _dead(await client.submit("final"))
        assert (task.reason, task.attempts) == ("exhausted", 1)
        assert task.error["message"] == "gone for good"


async def test_a_task_waits_in_failed_until_its_retry_is_due(server: RedisServer) -> None:
    """FAILED with the error and the time of the retry; then it runs again and every attempt is told."""
    app = Shoal()

    @app.task("flaky", retry=RetryPolicy(2, "fixed", 0.4, 0.4, jitter=False))
    async def flaky(ctx: TaskContext, _payload: None) -> str:
        if ctx.attempt < 3:
            raise ConnectionError(f"refused {ctx.attempt}")
        return "done"

    async with client_on(server) as client, shard_on(server.url, app):
        handle = await client.submit("flaky")

        async def is_failed() -> bool:
            return await handle.state() is State.FAILED

        await wait_until_async(is_failed, "it failed")
        waiting = await handle.task()
        assert waiting.error["type"] == "ConnectionError"
        assert len(waiting.error["fingerprint"]) == 12
        assert waiting.reason is None
        assert await handle.result(10) == "done"
        task = await handle.task()
        assert [(a.number, a.outcome, a.error) for a in task.history] == [
            (1, "failed", "ConnectionError: refused 1"),
            (2, "failed", "ConnectionError: refused 2"),
            (3, "completed", None),
        ]
        starts = [a.started_at for a in task.history if a.started_at is not None]
        assert all((b - a).total_seconds() >= 0.4 for a, b in itertools.pairwise(starts))


async def test_a_type_decides_which_errors_are_worth_a_retry(valkey: RedisServer) -> None:
    """The others are DEAD ``exhausted`` at the first attempt."""
    app = Shoal()
    policy = RetryPolicy(5, "fixed", 0.01)

    @app.task("picky", retry=policy, retry_on=OSError, give_up_on=FileNotFoundError)
    async def picky(ctx: TaskContext, payload: str) -> int:
        if ctx.attempt > 1:
            return ctx.attempt
        raise {"net": ConnectionError(), "file": FileNotFoundError(), "bug": KeyError()}[payload]

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        assert await (await client.submit("picky", "net")).result(10) == 2
        for name in ("file", "bug"):
            task = await _dead(await client.submit("picky", name))
            assert (task.reason, task.attempts) == ("exhausted", 1)
