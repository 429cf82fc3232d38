"""Schedules: tasks that are submitted again and again. ``/api/v1/schedules``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from shoal.api import audit
from shoal.api.bodies import ScheduleBody, invalid, read_body
from shoal.api.limits import ENVELOPE_BYTES
from shoal.api.problems import Problem
from shoal.api.query import only
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.broker.schedules import ScheduleStore, StoredSchedule
from shoal.codec import check_payload
from shoal.errors import InvalidPayload, InvalidSchedule, ScheduleNotFound, UnknownTaskType
from shoal.model.schedule import MAX_SCHEDULES, ScheduleRecord
from shoal.schedules import Declared, document_of, task_document, task_of
from shoal.submission import SubmitOptions, TypeDefaults
from shoal.vault import Vault


async def list_all(request: web.Request) -> web.Response:
    """All of them, by id."""
    only(request.query)
    reading = await _store(request).read("all")
    documents = [document_of(schedule) for schedule in reading.schedules]
    return respond(msgspec.json.encode({"schedules": documents}))


async def add(request: web.Request) -> web.Response:
    """Make one; the same again changes nothing."""
    record = await _read(request)
    status = await _store(request).put(record, may_change=False)
    if status == "exists":
        raise Problem(
            "schedule_exists",
            "There is another one with this id: change it (PUT), remove it first, or take another.",
        )
    if status == "too_many":
        raise InvalidSchedule(f"there are {MAX_SCHEDULES} schedules, and no more may be added")
    return await _changed(request, record, 201)


async def change(request: web.Request) -> web.Response:
    """Let it be another from its next tick on; a pause is kept."""
    only(request.query)
    schedule_id = request.match_info["id"]
    record = await _read(request)
    if record.id != schedule_id:
        raise invalid("id", f"must be {schedule_id!r:.160}, as in the address")
    if (await _find(request, schedule_id)).record.source != "operator":
        raise InvalidSchedule(
            "it is declared in code: change it there, or pause it and add another"
        )
    await _store(request).put(record, may_change=True)
    return await _changed(request, record, 200)


async def _changed(request: web.Request, record: ScheduleRecord, status: int) -> web.Response:
    audit.note(request, schedule=record.id, cron=record.cron, type=record.type)
    stored = await _find(request, record.id)
    headers = {"Location": f"/api/v1/schedules/{record.id}"}
    return respond(msgspec.json.encode(document_of(stored)), status, headers)


async def _read(request: web.Request) -> ScheduleRecord:
    """The schedule that the body says."""
    state = request.app[STATE]
    limit = state.settings.task.max_payload_bytes
    body = await read_body(request, ScheduleBody, limit + ENVELOPE_BYTES)
    payload = bytes(body.payload)
    try:
        check_payload(payload, limit)
    except InvalidPayload as error:
        raise Problem("invalid_json", f"payload: {error.errors[0]['message']}") from None
    options: SubmitOptions = {
        "priority": body.priority,
        "queue": body.queue,
        "timeout": body.timeout,
        "max_retries": body.max_retries,
        "metadata": body.metadata,
        "retention": body.retention,
    }
    return Declared.make(
        body.id,
        body.cron,
        body.type,
        tz=body.tz,
        payload=msgspec.Raw(payload),
        missed=body.missed,
        source="operator",
        options=options,
        defaults=_defaults(request, body.type),
        max_payload_bytes=limit,
    ).record


async def one(request: web.Request) -> web.Response:
    """One of them, with the task that it submits."""
    only(request.query)
    stored = await _find(request, request.match_info["id"])
    document = document_of(stored) | task_document(
        stored.record, Vault.of(request.app[STATE].settings)
    )
    return respond(msgspec.json.encode(document))


async def remove(request: web.Request) -> web.Response:
    """Forget it. One that is declared in code comes back when a worker starts: pause it."""
    only(request.query)
    schedule_id = request.match_info["id"]
    if not await _store(request).remove(schedule_id):
        raise _unknown(schedule_id)
    return respond(b"", 204)


async def pause(request: web.Request) -> web.Response:
    """Let it not tick until it is resumed."""
    return await _switch(request, _store(request).pause)


async def resume(request: web.Request) -> web.Response:
    """Let it tick from now on; what it missed meanwhile is not made up for."""
    return await _switch(request, _store(request).resume)


async def trigger(request: web.Request) -> web.Response:
    """Submit one task of it now, besides its ticks; also while it is paused."""
    only(request.query)
    stored = await _find(request, request.match_info["id"])
    plan, spec = task_of(stored.record, Vault.of(request.app[STATE].settings), trigger="operator")
    submitter = request.app[STATE].gateway.connection.submitter
    task_id = await submitter.one(plan, spec)
    audit.note(request, task=task_id)
    document = {"task_id": task_id, "schedule": stored.record.id}
    headers = {"Location": f"/api/v1/tasks/{task_id}"}
    return respond(msgspec.json.encode(document), 202, headers)


async def _switch(
    request: web.Request, move: Callable[[str], Awaitable[bool | None]]
) -> web.Response:
    only(request.query)
    schedule_id = request.match_info["id"]
    changed = await move(schedule_id)
    if changed is None:
        raise _unknown(schedule_id)
    audit.note(request, changed=changed)
    stored = await _find(request, schedule_id)
    return respond(msgspec.json.encode(document_of(stored)))


def _store(request: web.Request) -> ScheduleStore:
    return ScheduleStore(request.app[STATE].gateway.connection.broker)


async def _find(request: web.Request, schedule_id: str) -> StoredSchedule:
    # ``all`` and ``due`` are words of the store, and could be ids as well.
    reading = await _store(request).read("all")
    for stored in reading.schedules:
        if stored.record.id == schedule_id:
            return stored
    raise _unknown(schedule_id)


def _defaults(request: web.Request, type_name: str) -> TypeDefaults:
    definitions = request.app[STATE].definitions
    if definitions is None:
        return TypeDefaults()
    definition = definitions.get(type_name)
    if definition is None:
        raise UnknownTaskType(f"There is no task type {type_name!r:.140}.")
    return definition.defaults


def _unknown(schedule_id: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"there is no schedule {schedule_id!r:.160}")
