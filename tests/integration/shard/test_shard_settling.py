"""Outcomes are recorded, whatever stands in their way."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from shoal import Shoal, State, TaskContext
from shoal.broker.broker import Broker
from shoal.broker.results import Outcome
from shoal.errors import BrokerError
from tests.integration.shard.harness import client_on, shard_on, until_settled
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


async def test_outcomes_wait_for_redis_and_are_recorded_once(redis7: RedisServer) -> None:
    """Handlers end while Redis cannot be reached: nothing runs again, every result arrives."""
    app, runs, may_end = Shoal(), [], asyncio.Event()

    @app.task("wait")
    async def wait(ctx: TaskContext, payload: int) -> int:
        runs.append(ctx.id)
        await may_end.wait()
        return payload

    with Proxy(redis7.port) as proxy:
        async with client_on(redis7) as client, shard_on(proxy.url, app) as shard:
            handles = await client.submit_many("wait", range(10))
            await wait_until_async(lambda: len(runs) == 10, "they run")
            proxy.down()
            may_end.set()
            await wait_until_async(lambda: shard.page.processed == 10, "all have ended")
            proxy.up()
            start = time.monotonic()
            assert [await handle.result(10) for handle in handles] == list(range(10))
            assert time.monotonic() - start < 2
            assert len(runs) == 10
            for handle in handles:
                assert len((await handle.task()).history) == 1


async def test_replies_to_settlements_may_get_lost(redis7: RedisServer) -> None:
    """Recorded, and the reply lost: the repeat is answered ``already`` and counted as nothing else."""
    app, may_end = Shoal(), asyncio.Event()

    @app.task("first")
    async def first(_ctx: TaskContext, _payload: None) -> None:
        """Until it is settled the server does not have the script."""

    @app.task("wait")
    async def wait(_ctx: TaskContext, _payload: int) -> None:
        await may_end.wait()

    with Proxy(redis7.port) as proxy:
        async with (
            client_on(redis7) as client,
            shard_on(proxy.url, app, redis__timeout_s=0.3, worker__lease_s=60) as shard,
        ):
            await (await client.submit("first")).result(10)
            handles = await client.submit_many("wait", range(8))
            await wait_until_async(lambda: shard.page.running == 8, "they run")
            proxy.black_hole("replies")
            may_end.set()
            await until_settled(await client.broker(), COMPLETED=9)
            proxy.heal()
            for handle in handles:
                assert len((await handle.task()).history) == 1
            await shard.end()
            assert shard.page.processed == 9


async def test_an_outcome_the_broker_refuses_ends_only_its_own_task(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of twenty is refused for good: that task is dead ``internal``, nineteen are completed."""
    app = Shoal()
    poisoned: set[bytes] = set()
    sizes: list[int] = []
    original = Broker.settle

    @app.task("note")
    async def note(ctx: TaskContext, payload: int) -> int:
        if payload == 13:
            poisoned.add(ctx.id.encode())
        return payload

    async def refuse() -> Any:
        raise BrokerError("ERR user_script: a bug of ours")

    def settle(self: Broker, partition: int, incarnation: str, outcomes: list[Outcome]) -> Any:
        sizes.append(len(outcomes))
        # What a script refuses before its first write; no server can be brought to do it.
        if any(one.id in poisoned and one.outcome == "completed" for one in outcomes):
            return refuse()
        return original(self, partition, incarnation, outcomes)

    monkeypatch.setattr(Broker, "settle", settle)
    async with client_on(valkey) as client:
        handles = await client.submit_many("note", range(20))
        async with shard_on(valkey.url, app, worker__concurrency=20):
            await until_settled(await client.broker(), COMPLETED=19, DEAD=1)
        task = await handles[13].task()
        assert (task.state, task.reason) == (State.DEAD, "internal")
        assert "a bug of ours" in task.error["message"]
    assert len(sizes) <= 14  # by halves, not one by one


async def test_a_task_the_broker_takes_no_outcome_for_is_handed_back(
    redis7: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even ``internal``: the shard goes on, and the renewal returns the task, which runs again."""
    app, runs = Shoal(), []
    original = Broker.settle

    @app.task("note")
    async def note(ctx: TaskContext, _payload: None) -> None:
        runs.append(ctx.id)

    async def refuse() -> Any:
        raise BrokerError("ERR user_script: a bug of ours")

    def settle(self: Broker, partition: int, incarnation: str, outcomes: list[Outcome]) -> Any:
        if len(runs) == 1 and outcomes[0].outcome != "returned":
            return refuse()
        return original(self, partition, incarnation, outcomes)

    monkeypatch.setattr(Broker, "settle", settle)
    async with client_on(redis7) as client, shard_on(redis7.url, app):
        handle = await client.submit("note")
        await handle.result(10)
        assert [line.outcome for line in (await handle.task()).history] == ["unknown", "completed"]
    assert len(runs) == 2


async def test_many_large_results_go_in_several_calls(valkey: RedisServer) -> None:
    """Twelve results of 900 KB end together: more than one call may carry, and all are kept."""
    app, started, may_end = Shoal(), [], asyncio.Event()

    @app.task("large")
    async def large(ctx: TaskContext, _payload: int) -> str:
        started.append(ctx.id)
        await may_end.wait()
        return "x" * 900_000

    async with client_on(valkey) as client, shard_on(valkey.url, app, worker__concurrency=12):
        handles = await client.submit_many("large", range(12))
        await wait_until_async(lambda: len(started) == 12, "they run")
        may_end.set()
        for handle in handles:
            assert len(await handle.result(10)) == 900_000


async def test_a_handler_submits_over_the_shards_own_connection(valkey: RedisServer) -> None:
    """A task that submits its follow-up."""
    app = Shoal()

    @app.task("first")
    async def first(_ctx: TaskContext, _payload: None) -> str:
        return (await app.submit("second")).id

    @app.task("second")
    async def second(_ctx: TaskContext, _payload: None) -> str:
        return "followed"

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        follow_up = await (await client.submit("first")).result(10)
        assert await client.handle(follow_up).result(10) == "followed"


async def test_a_paused_partition_keeps_its_outcomes_until_it_is_resumed(
    valkey: RedisServer,
) -> None:
    """Resharding: what ends meanwhile is recorded afterwards."""
    app, running, may_end = Shoal(), asyncio.Event(), asyncio.Event()

    @app.task("wait")
    async def wait(_ctx: TaskContext, _payload: None) -> str:
        running.set()
        await may_end.wait()
        return "kept"

    async with client_on(valkey) as client, shard_on(valkey.url, app) as shard:
        handle = await client.submit("wait")
        broker: Broker = await client.broker()
        await running.wait()
        await broker.pause_partition(0)
        may_end.set()
        await wait_until_async(lambda: shard.page.processed == 1, "it has ended")
        await broker.resume_partition(0)
        assert await handle.result(10) == "kept"
