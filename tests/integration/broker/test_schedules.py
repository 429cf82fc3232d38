"""Schedules in Redis: made once, gone on with once, found where ticks are looked for."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from shoal.broker import keys
from shoal.broker.schedules import ScheduleStore
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from shoal.model.cron import Missed
from shoal.model.schedule import MAX_SCHEDULES, ScheduleRecord
from tests.support.builders import Scene

DAILY = ScheduleRecord(
    id="daily",
    cron="0 9 * * *",
    tz="Europe/Berlin",
    type="report",
    queue="default",
    priority=1,
    header="{}\n",
    payload="null",
    missed=Missed.RUN_ONCE,
    source="operator",
)


def global_key(scene: Scene, name: str) -> str:
    """A key of the namespace."""
    return keys.schedules(scene.broker.settings.namespace).removesuffix("schedules") + name


async def test_made_once(scene: Scene) -> None:
    """The same again changes nothing; another of the id is refused, or changes it where that is meant."""
    store = ScheduleStore(scene.broker)
    other = dataclasses.replace(DAILY, cron="0 10 * * *")
    assert await store.put(DAILY, may_change=False) == "new"
    assert await store.put(DAILY, may_change=False) == "same"
    assert await store.put(other, may_change=False) == "exists"
    (stored,) = (await store.read("all")).schedules
    assert (stored.record, stored.is_paused, stored.ticks) == (DAILY, False, 0)
    assert await store.put(other, may_change=True) == "changed"
    (changed,) = (await store.read("daily")).schedules
    assert changed.record == other
    assert changed.next_ms != stored.next_ms


async def test_gone_on_with_once(scene: Scene) -> None:
    """Of two that read the same tick one goes on, and a late copy does nothing."""
    store = ScheduleStore(scene.broker)
    await store.put(DAILY, may_change=False)
    (stored,) = (await store.read("all")).schedules
    assert stored.next_ms is not None
    following = stored.next_ms + 86_400_000
    scene.leaves_faults = True  # a day is not always 24 hours
    assert await store.advance(stored, following, (stored.next_ms,), "id") is True
    assert await store.advance(stored, following, (stored.next_ms,), "id") is False
    (after,) = (await store.read("all")).schedules
    assert (after.next_ms, after.last_ms, after.last_task, after.ticks) == (
        following,
        stored.next_ms,
        "id",
        1,
    )


async def test_paused_resumed_removed(scene: Scene) -> None:
    """A paused one is not looked at; resumed it ticks from now on; removed it leaves nothing."""
    store = ScheduleStore(scene.broker)
    await store.put(DAILY, may_change=False)
    assert await store.pause("daily") is True
    assert await store.pause("daily") is False
    assert (await store.read("due")).first_ms is None
    # A release that declares it anew leaves the pause.
    await store.put(dataclasses.replace(DAILY, tz="UTC"), may_change=True)
    assert (await store.read("due")).first_ms is None
    assert await store.resume("daily") is True
    assert await store.resume("daily") is False
    assert (await store.read("due")).first_ms is not None
    assert await store.remove("daily") is True
    assert await store.remove("daily") is False
    assert scene.client().keys(global_key(scene, "schedule*")) == []
    assert await store.pause("daily") is None
    assert await store.resume("daily") is None


async def test_not_more_than_there_may_be(scene7: Scene) -> None:
    """A thousand, and one that stands may still be changed."""
    client, ids = scene7.client(), global_key(scene7, "schedule_ids")
    store = ScheduleStore(scene7.broker)
    await store.put(DAILY, may_change=False)
    client.sadd(ids, *(f"s{n}" for n in range(MAX_SCHEDULES - 1)))
    assert await store.put(dataclasses.replace(DAILY, id="more"), may_change=False) == "too_many"
    assert await store.put(dataclasses.replace(DAILY, tz="UTC"), may_change=True) == "changed"
    client.srem(ids, *(f"s{n}" for n in range(MAX_SCHEDULES - 1)))


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (lambda c, k: c.zrem(k("schedules"), "daily"), "looked at never"),
        (lambda c, k: c.zadd(k("schedules"), {"daily": 5}), "looked at 5"),
        (lambda c, k: c.srem(k("schedule_ids"), "daily"), "not among the ids"),
        (lambda c, k: c.delete(k("schedule:daily")), "has no record"),
        (lambda c, k: c.hset(k("schedule:daily"), "record", "{}"), "can't be read"),
        (lambda c, k: c.hset(k("schedule:daily"), "digest", "x"), "digest"),
        (lambda c, k: c.hset(k("schedule:daily"), "next", "7"), "is no tick"),
        (lambda c, k: c.hset(k("schedule:daily"), "paused", "1"), "not to come"),
    ],
)
async def test_verify_finds(scene7: Scene, plant: Callable[..., Any], says: str) -> None:
    """A schedule that can't tick, or that nobody would look at, is found."""
    scene7.leaves_faults = True
    await ScheduleStore(scene7.broker).put(DAILY, may_change=False)
    assert (await verify(scene7.broker)).ok
    plant(scene7.client(), lambda name: global_key(scene7, name))
    [finding] = (await verify(scene7.broker)).findings
    assert finding.code is Code.BAD_SCHEDULE
    assert says in finding.sentence
