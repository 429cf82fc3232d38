"""Schedules tick: each tick once, however many shards there are and whatever happens to them."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from shoal import Shoal, TaskContext
from shoal.broker import keys
from shoal.broker.schedules import ScheduleStore
from shoal.errors import InvalidSchedule, ScheduleNotFound
from shoal.model.cron import Missed
from shoal.shard.ticker import Ticker
from tests.integration.shard.harness import client_on, shard_on, until_settled
from tests.support.servers import RedisServer

MINUTE_MS = 60_000


def application() -> tuple[Shoal, list[dict[str, str]]]:
    """A declared schedule of every minute, whose tasks note their metadata."""
    app = Shoal()
    ran: list[dict[str, str]] = []

    @app.cron("* * * * *", tz="Europe/Berlin", payload={"n": 1}, priority="HIGH")
    @app.task("minutely")
    async def minutely(ctx: TaskContext, payload: dict[str, int]) -> int:
        ran.append(dict(ctx.metadata))
        return payload["n"]

    return app, ran


async def set_back(client: Shoal, minutes: int) -> int:
    """Let a schedule look as if nobody had ticked for so many minutes; its next tick."""
    broker = await client.broker()
    stored = (await ScheduleStore(broker).read("minutely")).schedules[0]
    assert stored.next_ms is not None
    at_ms = stored.next_ms - minutes * MINUTE_MS
    namespace_key = keys.schedules(broker.settings.namespace)
    node = broker.node_of_partition(0)
    hash_key = namespace_key.removesuffix("schedules") + "schedule:minutely"
    await node.call("HSET", hash_key, "next", at_ms)
    await node.call("ZADD", namespace_key, at_ms, "minutely")
    return at_ms


def ticker(client: Shoal, broker: Any, app: Shoal) -> Ticker:
    """The part of a shard that serves everything."""
    app.attach(broker, client.settings)
    everything: Any = SimpleNamespace(own=frozenset(range(broker.partitions)))
    return Ticker(broker, app, everything, 60.0, random.Random(1))


async def test_many_shards_run_a_tick_once(valkey: RedisServer) -> None:
    """Three shards meet a tick that is due: one task, HIGH, with the schedule and the tick in its metadata."""
    async with client_on(valkey, partitions=4) as client, AsyncExitStack() as stack:
        ran: list[dict[str, str]] = []
        broker = await client.broker()
        first, _ = application()
        await ScheduleStore(broker).put(first.declared_schedules["minutely"], may_change=True)
        await set_back(client, 1)
        for index in range(3):
            app, noted = application()
            ran = noted if index == 0 else ran
            await stack.enter_async_context(shard_on(valkey.url, app, index=index, partitions=4))
        await until_settled(broker, COMPLETED=1)
        [stored] = await client.schedules.list()
        assert (stored.ticks, stored.record.source) == (1, "code")
        task = await client.handle(stored.last_task).task()
        assert (task.priority.name, task.result) == ("HIGH", 1)
        assert task.metadata["schedule"] == "minutely"
        assert task.metadata["tick"].endswith(":00.000Z")


@pytest.mark.parametrize(
    ("missed", "runs"), [(Missed.RUN_ALL, 4), (Missed.RUN_ONCE, 1), (Missed.SKIP, 1)]
)
async def test_what_was_missed(redis7: RedisServer, missed: Missed, runs: int) -> None:
    """After four minutes without a worker: all of them, or the last one."""
    async with client_on(redis7, partitions=4) as client:
        app = Shoal()

        @app.cron("* * * * *", missed=missed)
        @app.task("minutely")
        async def minutely(_ctx: TaskContext, _payload: object) -> None: ...

        broker = await client.broker()
        await ScheduleStore(broker).put(app.declared_schedules["minutely"], may_change=True)
        await set_back(client, 4)
        part = ticker(client, broker, app)
        await part.run_once()
        assert (await broker.counts_by_state())["PENDING"] == runs
        await part.run_once()
        assert (await broker.counts_by_state())["PENDING"] == runs


async def test_a_shard_that_died_between_submitting_and_going_on(redis7: RedisServer) -> None:
    """Its successor submits the same tick under the same id, and so nothing twice; the clock back is harmless."""
    async with client_on(redis7, partitions=4) as client:
        app, _ = application()
        broker = await client.broker()
        await ScheduleStore(broker).put(app.declared_schedules["minutely"], may_change=True)
        await set_back(client, 1)
        await ticker(client, broker, app).run_once()
        # As it stood before the first went on; so also where a failover lost that write.
        await set_back(client, 1)
        await ticker(client, broker, app).run_once()
        assert (await broker.counts_by_state())["PENDING"] == 1


async def test_a_tick_that_is_refused_stays_due(redis7: RedisServer) -> None:
    """A full queue delays a tick; it is submitted when there is room."""
    async with client_on(redis7, partitions=1, limit__max_queue_size=1) as client:
        app, _ = application()
        broker = await client.broker()
        handle = await client.submit("other", priority="HIGH")
        await ScheduleStore(broker).put(app.declared_schedules["minutely"], may_change=True)
        due_ms = await set_back(client, 1)
        part = ticker(client, broker, app)
        await part.run_once()
        assert (await ScheduleStore(broker).read("minutely")).schedules[0].next_ms == due_ms
        await handle.cancel()
        await part.run_once()
        assert (await broker.counts_by_state())["PENDING"] == 1


async def test_at_run_time(redis7: RedisServer) -> None:
    """Programs add, trigger, pause, resume and remove schedules; what is wrong says so."""
    async with client_on(redis7, partitions=4) as client:
        schedules = client.schedules
        record = await schedules.add("s", "@daily", "mail", {"to": "ada"}, priority="LOW")
        assert (record.cron, record.priority) == ("0 0 * * *", 0)
        assert await schedules.pause("s") is True
        task = await client.handle(await schedules.trigger("s")).task()
        assert (task.payload, task.metadata) == (
            {"to": "ada"},
            {"schedule": "s", "trigger": "operator"},
        )
        assert await schedules.resume("s") is True
        await schedules.remove("s")
        for wish in (schedules.trigger, schedules.remove, schedules.pause, schedules.resume):
            with pytest.raises(ScheduleNotFound):
                await wish("s")
        for arguments, says in (
            (("s p", "@daily", "mail"), "invalid schedule id"),
            (("s", "61 * * * *", "mail"), "Bad minute"),
            (("s", "@daily", "7"), "invalid task type"),
            (("s", "@daily", "mail", float("nan")), "NaN"),
        ):
            with pytest.raises(InvalidSchedule, match=says):
                await schedules.add(*arguments)
        with pytest.raises(InvalidSchedule, match="delay is for one task"):
            await schedules.add("s", "@daily", "mail", delay="5m")
        with pytest.raises(InvalidSchedule, match="missed must be one of"):
            await schedules.add("s", "@daily", "mail", missed="never")
        await schedules.add("s", "@daily", "mail")
        with pytest.raises(InvalidSchedule, match="another schedule"):
            await schedules.add("s", "@hourly", "mail")


def test_declared_wrongly() -> None:
    """The decorator stands above the task, and each schedule has an id of its own."""
    app = Shoal()

    async def plain(_ctx: TaskContext, _payload: object) -> None: ...

    with pytest.raises(InvalidSchedule, match="above"):
        app.cron("@daily")(plain)  # type: ignore[arg-type]
    task = app.task("t")(plain)
    app.cron("@daily")(task)
    with pytest.raises(InvalidSchedule, match="id of its own"):
        app.cron("@hourly")(task)
    app.cron("@hourly", id="t.hourly")(task)
    assert sorted(app.declared_schedules) == ["t", "t.hourly"]
