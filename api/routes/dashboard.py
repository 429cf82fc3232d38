"""``/api/v1/dashboard``: what the dashboard's pages read and do; whoever logs in at API_PORT sees it.

Numbers are absolute values of counters and the time they were read at; whoever reads twice has the
rate. These addresses serve the page of the same release and change with it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from shoal.api.problems import Problem
from shoal.api.query import only
from shoal.api.responses import respond
from shoal.api.state import PRINCIPAL, STATE
from shoal.broker.operator_results import DeadGroup
from shoal.broker.schedules import ScheduleStore
from shoal.clock import wall_ms
from shoal.errors import TaskNotFound
from shoal.model.cron import check_cron, next_tick
from shoal.model.identity import parse_task_id
from shoal.model.task import format_time, from_unix_ms
from shoal.schedules import document_of

#: Of so many DEAD tasks of each partition, the newest, the groups are counted.
_GROUPED = 2000
#: How many ticks are told in advance.
_TICKS = 5


async def snapshot(request: web.Request) -> web.Response:
    """Counters, queues and workers of the whole deployment; at most a second old."""
    state = request.app[STATE]
    document = await state.cluster.snapshot.get()
    principal = request[PRINCIPAL]
    who = {"name": principal.name, "role": principal.role.word}
    return respond(msgspec.json.encode({**document, "principal": who}))


async def dead(request: web.Request) -> web.Response:
    """What the DEAD tasks died of, the largest group first."""
    broker = request.app[STATE].gateway.connection.broker
    groups, counted = await broker.dead_groups(_GROUPED)
    total = (await broker.counts_by_state())["DEAD"]
    rows = [_group(group) for group in groups]
    return respond(msgspec.json.encode({"groups": rows, "counted": counted, "total": total}))


def _group(group: DeadGroup) -> dict[str, Any]:
    document = group._asdict()
    for name in ("newest", "oldest"):
        document[name] = format_time(from_unix_ms(document.pop(f"{name}_ms")))
    return document


async def schedules(request: web.Request) -> web.Response:
    """All schedules, with their next and last ticks."""
    store = ScheduleStore(request.app[STATE].gateway.connection.broker)
    found = await store.read("all")
    return respond(msgspec.json.encode({"schedules": [document_of(s) for s in found.schedules]}))


async def ticks(request: web.Request) -> web.Response:
    """When a schedule would tick next: ``cron`` in the time zone ``tz``."""
    only(request.query, "cron", "tz")
    tz = request.query.get("tz", "UTC")
    try:
        cron = check_cron(request.query.get("cron", ""), tz)
    except ValueError as error:
        raise Problem("invalid_schedule", str(error)) from None
    found: list[int] = []
    at_ms: int | None = wall_ms()
    while len(found) < _TICKS and at_ms is not None:
        at_ms = next_tick(cron, tz, at_ms)
        if at_ms is not None:
            found.append(at_ms)
    zone = ZoneInfo(tz)
    rows = [
        {
            "at": format_time(from_unix_ms(tick_ms)),
            "offset": datetime.fromtimestamp(tick_ms / 1000, zone).strftime("%z"),
        }
        for tick_ms in found
    ]
    return respond(msgspec.json.encode({"cron": cron, "tz": tz, "ticks": rows}))


async def requeue(request: web.Request) -> web.Response:
    """Make a task that ended otherwise than well ready again.

    ``Idempotency-Key`` names the wish: a repeat with the same one does nothing more.
    """
    try:
        task_id = parse_task_id(request.match_info["id"])
    except ValueError as error:
        raise Problem("invalid_id", str(error)) from None
    wish = request.headers.get("Idempotency-Key") or uuid.uuid4().hex
    if not (0 < len(wish) <= 64 and wish.isascii() and wish.isalnum()):
        raise Problem("invalid_parameter", "Idempotency-Key: 1 to 64 of A-Z a-z 0-9")
    [answer] = await request.app[STATE].gateway.connection.broker.requeue([task_id], wish)
    if answer.status == "not_found":
        raise TaskNotFound(f"no task has the id {task_id}, or its retention has passed")
    if answer.status not in ("requeued", "already"):
        raise Problem("task_not_requeueable", _WHY[answer.status], state=answer.state)
    return respond(msgspec.json.encode({"task_id": task_id, "requeued": True}))


_WHY = {
    "completed": "It COMPLETED; submit it again instead.",
    "active": "It has not ended: wait for its end, or cancel it.",
    "key_taken": "Another task holds its unique key now; wait until that one has ended.",
    "forgotten": "Its payload was not kept, so it cannot run again; submit it anew.",
}
