"""Schedules: tasks that are submitted again and again, by cron."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, Unpack

from msgspec import Raw

from shoal.codec import decode_spec, encode_header, encode_payload
from shoal.errors import (
    InvalidPayload,
    InvalidSchedule,
    InvalidTask,
    ScheduleNotFound,
)
from shoal.model.cron import Missed, check_cron
from shoal.model.priority import Priority
from shoal.model.schedule import MAX_SCHEDULES, ScheduleRecord, check_schedule_id
from shoal.model.task import format_time, from_unix_ms
from shoal.sealed import open_schedule
from shoal.submission import Plan, SubmitOptions, TypeDefaults, make_plan

if TYPE_CHECKING:
    from shoal.app import Shoal
    from shoal.broker.schedules import ScheduleStore, StoredSchedule
    from shoal.vault import Vault

#: The most that SHOAL_MAX_PAYLOAD can be; what is declared in code is checked before settings are read.
MAX_STORED_PAYLOAD_BYTES = 3 * 1024**2
#: Options of a submission that mean one task at one time.
_FOR_ONE = (
    "delay",
    "scheduled_at",
    "unique_key",
    "task_id",
    "depends_on",
    "on_dependency_failure",
)


@dataclass(frozen=True, slots=True)
class Declared:
    """A schedule as ``@app.cron`` declares it."""

    record: ScheduleRecord

    @classmethod
    def make(
        cls,
        schedule_id: str,
        cron: str,
        type: str,
        *,
        tz: str,
        payload: Any,
        missed: str,
        source: str,
        options: SubmitOptions,
        defaults: TypeDefaults,
        max_payload_bytes: int,
    ) -> Self:
        """Check everything that is said about a schedule.

        Raises:
            InvalidSchedule: Something of it is wrong; the message says what to write.
        """
        try:
            if wrong := [name for name in _FOR_ONE if options.get(name) is not None]:
                raise InvalidSchedule(f"{wrong[0]} is for one task, not for a schedule")
            raw = encode_payload(payload)
            if len(raw) > max_payload_bytes:
                raise InvalidSchedule(
                    f"the payload has {len(raw)} bytes, more than SHOAL_MAX_PAYLOAD"
                )
            plan = make_plan(type, options, time.time(), defaults)
            policies = ", ".join(Missed)
            if missed not in tuple(Missed):
                raise InvalidSchedule(f"missed must be one of {policies}, not {missed!r:.40}")
            record = ScheduleRecord(
                id=check_schedule_id(schedule_id),
                cron=check_cron(cron, tz),
                tz=tz,
                type=plan.type,
                queue=plan.queue,
                priority=plan.priority,
                header=plan.header.decode(),
                payload=raw.decode(),
                missed=Missed(missed),
                retention_s=plan.retention_s,
                source=source,
            )
        except (ValueError, InvalidTask, InvalidPayload) as error:
            raise InvalidSchedule(f"schedule {schedule_id!r:.160}: {error}") from None
        return cls(record)


def task_of(
    record: ScheduleRecord, vault: Vault | None, task_id: str | None = None, **why: str
) -> tuple[Plan, bytes]:
    """The task of one tick, or of a trigger: how to submit it, and its whole spec.

    Args:
        record: The schedule.
        vault: Opens its payload; ``None`` = nothing is encrypted.
        task_id: Of a tick; ``None`` = a new one.
        why: Goes into its metadata, beside the schedule's id.

    Raises:
        CannotDecrypt: Its payload was encrypted with a key that is not here.
    """
    spec = decode_spec((record.header + open_schedule(vault, record)).encode())
    header = encode_header(
        spec.retry, spec.timeout_s, {**(spec.metadata or {}), "schedule": record.id, **why}
    )
    plan = Plan(
        type=record.type,
        queue=record.queue,
        priority=record.priority,
        due_s=None,
        delay_s=None,
        header=header,
        unique_key=None,
        task_id=task_id,
        retention_s=record.retention_s,
    )
    return plan, header + spec.payload


class Schedules:
    """The schedules of a namespace, for operators and programs. Made by ``app.schedules``."""

    def __init__(self, app: Shoal) -> None:
        self._app = app

    async def add(
        self,
        schedule_id: str,
        cron: str,
        type: str,
        payload: Any = None,
        *,
        tz: str = "UTC",
        missed: Missed | str = Missed.RUN_ONCE,
        **options: Unpack[SubmitOptions],
    ) -> ScheduleRecord:
        """Make a schedule; adding the same again changes nothing.

        Args:
            schedule_id: Names it.
            cron: Five fields, or ``@daily`` and its like.
            type: Of the tasks.
            payload: Of each task.
            tz: In which time zone the expression is meant.
            missed: What becomes of ticks while no worker was alive.
            options: Of each task, as in ``submit``; not what is for one task.

        Raises:
            InvalidSchedule: Something of it is wrong, another one has the id, or there are 1,000.
        """
        definition = self._app.tasks.get(type)
        record = Declared.make(
            schedule_id,
            cron,
            type,
            tz=tz,
            payload=payload,
            missed=missed,
            source="operator",
            options=options,
            defaults=TypeDefaults() if definition is None else definition.defaults,
            max_payload_bytes=self._app.settings.task.max_payload_bytes,
        ).record
        status = await (await self._store()).put(record, may_change=False)
        if status == "exists":
            raise InvalidSchedule(
                f"there is another schedule {schedule_id!r}: remove it first, or take another id"
            )
        if status == "too_many":
            raise InvalidSchedule(f"there are {MAX_SCHEDULES} schedules, and no more may be added")
        return record

    async def list(self) -> list[StoredSchedule]:
        """All of them, by id."""
        return (await (await self._store()).read("all")).schedules

    async def pause(self, schedule_id: str) -> bool:
        """Let it not tick until it is resumed; whether it did before.

        Raises:
            ScheduleNotFound: There is none with this id.
        """
        return _found(await (await self._store()).pause(schedule_id), schedule_id)

    async def resume(self, schedule_id: str) -> bool:
        """Let it tick from now on; whether it was paused. Ticks during the pause are not made up for.

        Raises:
            ScheduleNotFound: There is none with this id.
        """
        return _found(await (await self._store()).resume(schedule_id), schedule_id)

    async def remove(self, schedule_id: str) -> None:
        """Forget it. One that is declared in code comes back when a worker with that code starts.

        Raises:
            ScheduleNotFound: There is none with this id.
        """
        if not await (await self._store()).remove(schedule_id):
            raise ScheduleNotFound(f"there is no schedule {schedule_id!r:.160}")

    async def trigger(self, schedule_id: str) -> str:
        """Submit one task of it now, besides its ticks; also while it is paused. The task's id.

        Raises:
            ScheduleNotFound: There is none with this id.
            QueueFull, TooManyTypes, TooManyQueues: A limit refused it.
        """
        reading = await (await self._store()).read(schedule_id)
        if not reading.schedules:
            raise ScheduleNotFound(f"there is no schedule {schedule_id!r:.160}")
        record = reading.schedules[0].record
        return (
            await self._app.submit_planned(*task_of(record, self._app.vault, trigger="operator"))
        ).id

    async def _store(self) -> ScheduleStore:
        from shoal.broker.schedules import ScheduleStore

        return ScheduleStore(await self._app.broker())


def document_of(schedule: StoredSchedule) -> dict[str, Any]:
    """A schedule as ``--json`` shows it."""
    record = schedule.record
    return {
        "id": record.id,
        "cron": record.cron,
        "tz": record.tz,
        "type": record.type,
        "queue": record.queue,
        "missed": record.missed.value,
        "source": record.source,
        "paused": schedule.is_paused,
        "next": _time(None if schedule.is_paused else schedule.next_ms),
        "last": _time(schedule.last_ms),
        "last_task": schedule.last_task or None,
        "ticks": schedule.ticks,
    }


def task_document(record: ScheduleRecord, vault: Vault | None) -> dict[str, Any]:
    """The task that a schedule submits, beside what :func:`document_of` says.

    Raises:
        CannotDecrypt: Its payload was encrypted with a key that is not here.
    """
    spec = decode_spec((record.header + open_schedule(vault, record)).encode())
    return {
        "priority": Priority(record.priority).name,
        "payload": Raw(spec.payload),
        "timeout": spec.timeout_s,
        "max_retries": None if spec.retry is None else spec.retry.max_retries,
        "metadata": dict(spec.metadata or {}),
        "retention": record.retention_s,
    }


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_time(from_unix_ms(at_ms))


def _found(answer: bool | None, schedule_id: str) -> bool:  # noqa: FBT001 - of two private callers
    if answer is None:
        raise ScheduleNotFound(f"there is no schedule {schedule_id!r:.160}")
    return answer
