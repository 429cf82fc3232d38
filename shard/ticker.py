"""Submits what schedules are due. Every shard does; each tick becomes one task all the same.

The id of a tick's task is computed from the schedule and the tick, so a second submission of it finds
the first. A schedule goes on to its next tick only after its tasks were accepted.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.broker.schedules import ScheduleStore, StoredSchedule
from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, PartitionPaused, ShoalError
from shoal.model.cron import due_ticks
from shoal.model.partition import partition_of_key
from shoal.model.task import format_time, from_unix_ms
from shoal.schedules import task_of

if TYPE_CHECKING:
    from shoal.app import Shoal
    from shoal.broker.broker import Broker
    from shoal.shard.slice import Slice

#: The longest between two looks, in seconds; with no schedule at all.
IDLE_S: Final = 5.0
LOOK_S: Final = 1.0
#: How long a shard waits whose slice the tick is not of, in seconds: it is there for a dead owner.
OTHERS_LATER_S: Final = 0.5


class Ticker:
    """The schedules' part of one shard.

    Args:
        broker: Where schedules stand and tasks go.
        app: Declares schedules, and submits.
        slice: Says which ticks this shard submits first.
        tombstone_s: How long the id of an ended task is remembered at least, in seconds.
        rng: Spreads the looks of many shards.
    """

    def __init__(
        self, broker: Broker, app: Shoal, slice: Slice, tombstone_s: float, rng: Random
    ) -> None:
        self._app = app
        self._store = ScheduleStore(broker)
        self._slice = slice
        self._key_partitions = broker.agreed.key_partitions
        self._partitions = broker.partitions
        # After this a tick's task may have ended and been forgotten, and its id be taken for a new one.
        self._fresh_s = tombstone_s / 2
        self._rng = rng
        self._to_declare = list(app.declared_schedules.values())

    async def run(self) -> None:
        """Look and submit, until cancelled."""
        was_refused = False
        while True:
            pause_s = LOOK_S
            try:
                pause_s = await self.run_once()
                was_refused = False
            except (BrokerUnavailable, PartitionPaused):
                pass  # the broker says when Redis goes away and comes back
            except ShoalError as error:
                if not was_refused:
                    logger.error("schedules can't tick: {}", error)
                was_refused = True
            await asyncio.sleep(pause_s)

    async def run_once(self) -> float:
        """Submit what is due; returns in how many seconds to look again.

        Raises:
            BrokerUnavailable: Redis is away; what is due stays due.
        """
        while self._to_declare:
            status = await self._store.put(self._to_declare[-1], may_change=True)
            record = self._to_declare.pop()
            if status == "too_many":
                logger.error("schedule {} is not known: there are too many", record.id)
            elif status != "same":
                logger.info("schedule {} is {}: {} {}", record.id, status, record.cron, record.tz)
        asked_s = mono_s()
        reading = await self._store.read("due")
        others = False
        for schedule in reading.schedules:
            if self._is_mine(schedule) or self._is_late(schedule, reading.now_ms):
                await self._tick(schedule, reading.now_ms, asked_s)
            else:
                others = True
        if others or len(reading.schedules) >= 32:
            return OTHERS_LATER_S / 2
        if reading.first_ms is None:
            return IDLE_S * self._rng.uniform(0.9, 1.0)
        due_in_s = max(0.0, (reading.first_ms - reading.now_ms) / 1000)
        if reading.schedules or due_in_s > LOOK_S:
            return LOOK_S * self._rng.uniform(0.8, 1.0)
        return due_in_s + 0.001

    def _is_mine(self, schedule: StoredSchedule) -> bool:
        key = schedule.record.tick_key(schedule.next_ms or 0)
        return partition_of_key(key, self._key_partitions) in self._slice.own

    def _is_late(self, schedule: StoredSchedule, now_ms: int) -> bool:
        return now_ms - (schedule.next_ms or 0) > OTHERS_LATER_S * 1000

    async def _tick(self, schedule: StoredSchedule, now_ms: int, asked_s: float) -> None:
        record = schedule.record
        if schedule.next_ms is None:
            return
        ticks = due_ticks(record.cron, record.tz, schedule.next_ms, now_ms, record.missed)
        task_id = ""
        for tick_ms in ticks.run:
            if mono_s() - asked_s > self._fresh_s:
                logger.warning("schedule {}: this shard was held up; looking again", record.id)
                return
            task_id = record.tick_id(tick_ms, self._key_partitions)
            try:
                when = format_time(from_unix_ms(tick_ms)) or ""
                plan, spec = task_of(record, self._app.vault, task_id, tick=when)
                await self._app.submit_planned(plan, spec)
            except (BrokerUnavailable, PartitionPaused):
                raise
            except ShoalError as error:
                logger.warning("schedule {}: its tick is refused: {}", record.id, error)
                return
        await self._store.advance(schedule, ticks.next_ms, ticks.run, task_id)
