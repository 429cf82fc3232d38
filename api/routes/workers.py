"""Workers, for operators: who lives, what they do, pause, resume, shutdown. ``/admin/workers``."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from shoal.api import audit
from shoal.api.problems import Problem
from shoal.api.query import only
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.api.views import document_of
from shoal.broker.registry import KnownWorker
from shoal.model.task import format_time, from_unix_ms
from shoal.model.transitions import State

#: Among how many RUNNING tasks those of one worker are sought.
MAX_LOOKED_AT = 1000


async def workers(request: web.Request) -> web.Response:
    """All live workers, by id."""
    records = await request.app[STATE].gateway.connection.registry.live()
    return respond(msgspec.json.encode({"workers": [r.to_json() for r in records]}))


async def worker(request: web.Request) -> web.Response:
    """One worker, alive or gone within the last hour, with the tasks that it runs."""
    only(request.query)
    found = await _find(request)
    document: dict[str, Any] = found.record.to_json()
    document["desired"] = found.desired or None
    document["left"] = found.left or None
    document["left_at"] = (
        None if found.left_ms is None else format_time(from_unix_ms(found.left_ms))
    )
    document["tasks"] = [] if found.left else await _tasks_of(request, found.record.incarnation)
    return respond(msgspec.json.encode(document))


async def pause(request: web.Request) -> web.Response:
    """Let it claim nothing until it is resumed; what runs goes on. Kept over restarts of its name."""
    return await _wish(request, "paused")


async def resume(request: web.Request) -> web.Response:
    """Let it claim again."""
    return await _wish(request, "")


async def shutdown(request: web.Request) -> web.Response:
    """Let it finish what runs, hand back the rest and end; it is not started again."""
    return await _wish(request, "shutdown")


async def _wish(request: web.Request, desired: str) -> web.Response:
    only(request.query)
    name = request.match_info["id"]
    status = await request.app[STATE].gateway.connection.registry.wish(name, desired)
    if status == "not_found":
        raise _unknown(name)
    if status == "shutting_down":
        raise Problem("worker_shutting_down", "It was told to shut down, which is not taken back.")
    audit.note(request, changed=status == "changed")
    document = {"id": name, "desired": desired or None, "changed": status == "changed"}
    # It hears of it with its next heartbeat.
    return respond(msgspec.json.encode(document), 202)


async def _find(request: web.Request) -> KnownWorker:
    name = request.match_info["id"]
    found = await request.app[STATE].gateway.connection.registry.find(name)
    if found is None:
        raise _unknown(name)
    return found


async def _tasks_of(request: web.Request, incarnation: str) -> list[dict[str, Any]]:
    """What it runs, newest first, as far as that is among the newest that run anywhere."""
    state = request.app[STATE]
    broker = state.gateway.connection.broker
    page = await broker.list_tasks(State.RUNNING, limit=MAX_LOOKED_AT)
    documents = []
    for task in await broker.inspect([row.id for row in page.rows]):
        if task is not None and task.state == "RUNNING" and task.worker == incarnation:
            document = document_of(task, state)
            for bulky in ("payload", "result", "error", "history"):
                document.pop(bulky, None)
            documents.append(document)
    return documents


def _unknown(name: str) -> Problem:
    return Problem("worker_not_found", f"No worker {name!r:.80} has lived within the last hour.")
