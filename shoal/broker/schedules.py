"""Schedules as they stand in Redis."""

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on
from shoal.model.cron import next_tick
from shoal.model.schedule import MAX_SCHEDULES, ScheduleRecord
from shoal.vault import Vault

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

PutStatus = Literal["new", "changed", "same", "exists", "too_many"]


class StoredSchedule(NamedTuple):
    """A schedule and how far it is; times are Unix ms by Redis' clock."""

    record: ScheduleRecord
    #: The first tick that has not been dealt with; ``None`` = there will be none.
    next_ms: int | None
    is_paused: bool
    last_ms: int | None
    #: Id of the last tick's task; '' before the first.
    last_task: str
    #: How many ticks were submitted.
    ticks: int


class ScheduleReading(NamedTuple):
    """What one look at the schedules says."""

    now_ms: int
    #: When the next tick is due; ``None`` = none will be.
    first_ms: int | None
    schedules: list[StoredSchedule]


class ScheduleStore:
    """Reads and writes the schedules of a namespace.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._key = keys.schedules(broker.settings.namespace)

    async def put(self, record: ScheduleRecord, *, may_change: bool) -> PutStatus:
        """Make a schedule. One that stands is changed where ``may_change``, else ``exists``.

        A schedule that is changed goes on with its next tick from now; one that is the same goes on
        as it was. A pause is kept.
        """
        if (vault := Vault.of(self._broker.settings)) is not None:
            # Always the same bytes, or each start would find the schedule changed.
            sealed = vault.seal_text(record.id, "schedule", record.payload, is_repeatable=True)
            record = dataclasses.replace(record, payload=sealed)
        raw = msgspec.json.encode(record)
        now_ms = (await self.read("")).now_ms
        next_ms = next_tick(record.cron, record.tz, now_ms)
        reply = await run_on(
            self._broker,
            self._key,
            "schedule_put",
            record.id,
            raw,
            hashlib.sha256(raw).hexdigest()[:32],
            "" if next_ms is None else next_ms,
            MAX_SCHEDULES,
            "declare" if may_change else "add",
        )
        status: PutStatus = reply.decode()
        return status

    async def read(self, which: str) -> ScheduleReading:
        """Schedules: ``due`` (at most 32), ``all``, or the one with this id."""
        reply = await run_on(self._broker, self._key, "schedule_read", which)
        fields = iter(reply[2:])
        return ScheduleReading(
            reply[0],
            reply[1] if reply[1] >= 0 else None,
            [
                StoredSchedule(
                    msgspec.json.decode(raw, type=ScheduleRecord),
                    int(next_ms) if next_ms else None,
                    paused == 1,
                    int(last) if last else None,
                    task.decode(),
                    ticks,
                )
                for _, raw, next_ms, paused, last, task, ticks in zip(*[fields] * 7, strict=True)
            ],
        )

    async def advance(
        self, schedule: StoredSchedule, next_ms: int | None, ran: tuple[int, ...], task: str
    ) -> bool:
        """Go on to the next tick; whether this call did it, and no other had before."""
        reply = await run_on(
            self._broker,
            self._key,
            "schedule_advance",
            schedule.record.id,
            "" if schedule.next_ms is None else schedule.next_ms,
            "" if next_ms is None else next_ms,
            ran[-1] if ran else "",
            task,
            len(ran),
        )
        return bool(reply == 1)

    async def pause(self, schedule_id: str) -> bool | None:
        """Let it not tick; whether it did before, ``None`` when there is none."""
        reply = await run_on(self._broker, self._key, "schedule_pause", schedule_id)
        return None if reply < 0 else reply == 1

    async def resume(self, schedule_id: str) -> bool | None:
        """Let it tick from now on; whether it was paused, ``None`` when there is none."""
        reading = await self.read(schedule_id)
        if not reading.schedules:
            return None
        record = reading.schedules[0].record
        next_ms = next_tick(record.cron, record.tz, reading.now_ms)
        reply = await run_on(
            self._broker,
            self._key,
            "schedule_resume",
            schedule_id,
            "" if next_ms is None else next_ms,
        )
        return None if reply < 0 else reply == 1

    async def remove(self, schedule_id: str) -> bool:
        """Forget it; whether there was one."""
        return bool(await run_on(self._broker, self._key, "schedule_remove", schedule_id))
