"""Cancels that meet a claim, an end or a requeue: exactly one of the two wins."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from shoal import Shoal, State, TaskContext
from tests.integration.shard.harness import client_on, shard_on
from tests.support.servers import RedisServer


async def test_cancels_against_claims_and_ends(server: RedisServer) -> None:
    """Each task is COMPLETED with its result or CANCELLED without; one cancelled at once never ran."""
    app, runs = Shoal(), Counter[str]()

    @app.task("loop", max_retries=0)
    async def loop(ctx: TaskContext, payload: float) -> str:
        runs[ctx.id] += 1
        await asyncio.sleep(payload)
        return "done"

    @app.task("thread", max_retries=0)
    def thread(ctx: TaskContext, payload: float) -> str:
        runs[ctx.id] += 1
        time.sleep(payload)
        if ctx.cancelled:
            raise InterruptedError
        return "done"

    async with client_on(server) as client, shard_on(server.url, app):
        broker = await client.broker()
        handles = []
        for name in ("loop", "thread"):
            handles += await client.submit_many(name, [0.001 * (k % 15) for k in range(150)])
        # However slow the machine is, these are cancelled before they end by themselves.
        handles += await client.submit_many("loop", [600.0] * 3)
        answers = {}
        for handle in handles:  # one by one, so that claims and ends go on in between
            (answers[handle.id],) = await broker.cancel([handle.id], "raced")
        ends = Counter[str]()
        for handle in handles:
            await (await client.results()).ended(handle.id)
            task, answer = await handle.task(), answers[handle.id]
            ends[task.state] += 1
            if answer.status == "terminal":
                assert task.state == answer.state
            if answer.status == "cancelled":
                assert task.state is State.CANCELLED
                assert runs[handle.id] == 0
            assert task.result == ("done" if task.state is State.COMPLETED else None)
            assert runs[handle.id] <= 1
            counted = [line for line in task.history if line.outcome != "returned"]
            # A claimed task may be stopped before its handler's first step.
            assert runs[handle.id] <= len(counted) <= 1
        assert ends.keys() <= {"COMPLETED", "CANCELLED"}
        assert len(ends) == 2


async def test_cancels_against_requeues(server: RedisServer) -> None:
    """Cancelled, requeued and cancelled again while it may be running: one end, the last that won."""
    app, runs = Shoal(), Counter[str]()

    @app.task("loop", max_retries=0)
    async def loop(ctx: TaskContext, _payload: None) -> str:
        runs[ctx.id] += 1
        await asyncio.sleep(0.005)
        return "done"

    async with client_on(server) as client, shard_on(server.url, app):
        broker = await client.broker()
        handles = await client.submit_many("loop", [None] * 60, delay="1h")
        ids = [handle.id for handle in handles]
        first = await broker.cancel(ids, "first")
        assert {answer.status for answer in first} == {"cancelled"}
        requeued, _ = await asyncio.gather(broker.requeue(ids, "op"), broker.cancel(ids, "second"))
        assert {answer.status for answer in requeued} == {"requeued"}
        for handle in handles:
            await (await client.results()).ended(handle.id)
            task = await handle.task()
            assert task.state in {State.COMPLETED, State.CANCELLED}
            assert task.result == ("done" if task.state is State.COMPLETED else None)
            assert runs[handle.id] <= 1
