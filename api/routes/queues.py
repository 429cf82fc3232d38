"""Queues, for operators: what waits, what comes next, pause, resume, purge. ``/admin/queues``."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from shoal.api import audit
from shoal.api.cluster import Overview
from shoal.api.problems import Problem
from shoal.api.query import only, priority_of, queue_in, whole
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.api.throughput import THROUGHPUT
from shoal.broker.broker import Broker
from shoal.broker.purging import Purge
from shoal.clock import mono_s
from shoal.model.priority import Priority
from shoal.model.task import format_time, from_unix_ms

MAX_PEEK = 256
#: How long one request may purge, in seconds; then it says that it is not done.
PURGE_S = 20.0


async def queues(request: web.Request) -> web.Response:
    """The four priorities, highest first: sums over all queues, or one queue's with ``?queue=``."""
    name = queue_in(request.query)
    seen = await request.app[STATE].cluster.overview.get()
    rows = [_row(request, seen, priority, name) for priority in sorted(Priority, reverse=True)]
    return respond(msgspec.json.encode({"queues": rows}))


async def queue(request: web.Request) -> web.Response:
    """One priority, over all queues or one."""
    only(request.query, "queue")
    priority, name = priority_of(request.match_info["priority"]), queue_in(request.query)
    seen = await request.app[STATE].cluster.overview.get()
    return respond(msgspec.json.encode(_row(request, seen, priority, name)))


async def peek(request: web.Request) -> web.Response:
    """The tasks that will be claimed next, without taking them."""
    only(request.query, "queue", "limit")
    priority = priority_of(request.match_info["priority"])
    limit = whole(request.query, "limit", 20, 1, MAX_PEEK)
    broker = request.app[STATE].gateway.connection.broker
    rows = []
    for name in await _names(broker, queue_in(request.query)):
        rows += [(name, row) for row in await broker.peek(name, priority, limit)]
    rows.sort(key=lambda pair: (not pair[1].returned, pair[1].ready_ms))
    documents = [
        {
            "id": row.id,
            "type": row.type,
            "queue": name,
            "ready_at": format_time(from_unix_ms(row.ready_ms)),
            "returned": row.returned,
        }
        for name, row in rows[:limit]
    ]
    return respond(msgspec.json.encode({"priority": priority.name, "tasks": documents}))


async def pause(request: web.Request) -> web.Response:
    """Let workers claim nothing of a priority; submissions go on, and so does what runs."""
    return await _switch(request, is_pause=True)


async def resume(request: web.Request) -> web.Response:
    """Let workers claim from it again."""
    return await _switch(request, is_pause=False)


async def _switch(request: web.Request, *, is_pause: bool) -> web.Response:
    only(request.query, "queue")
    priority = priority_of(request.match_info["priority"])
    broker = request.app[STATE].gateway.connection.broker
    names = await _names(broker, queue_in(request.query))
    changed = []
    for name in names:
        target = f"{name}:{int(priority)}"
        if await (broker.pause(target) if is_pause else broker.resume(target)):
            changed.append(name)
    audit.note(request, queues=names, changed=changed)
    document = {
        "priority": priority.name,
        "queues": names,
        "paused": is_pause,
        "changed": changed,
    }
    return respond(msgspec.json.encode(document))


async def purge(request: web.Request) -> web.Response:
    """Cancel what waits in a priority; what runs goes on, and what comes meanwhile may stay."""
    only(request.query, "queue", "confirm")
    priority, name = priority_of(request.match_info["priority"]), queue_in(request.query)
    confirmed = request.query.get("confirm", "")
    if confirmed.upper() != priority.name:
        raise Problem(
            "confirmation_needed",
            f"This cancels all that waits there. Repeat it with ?confirm={priority.name}.",
        )
    purge = await Purge.begin(request.app[STATE].gateway.connection.broker, name, priority)
    until_s = mono_s() + PURGE_S
    while not purge.is_done and mono_s() < until_s:
        await purge.step()
    audit.note(request, purged=purge.purged, done=purge.is_done)
    document = {
        "priority": priority.name,
        "queue": name,
        "purged": purge.purged,
        "done": purge.is_done,
    }
    return respond(msgspec.json.encode(document), 200 if purge.is_done else 202)


async def _names(broker: Broker, name: str | None) -> list[str]:
    if name is not None:
        return [name]
    return sorted({row.queue for row in await broker.queues()})


def _row(
    request: web.Request, seen: Overview, priority: Priority, name: str | None
) -> dict[str, Any]:
    rates = request.app[THROUGHPUT].rates(seen.settled)
    # A queue that nobody has used yet is empty, and becomes one with its first task.
    parts = [q for q in seen.queues if q.priority == priority and name in (None, q.queue)]
    return {
        "priority": priority.name,
        "depth": sum(q.ready + q.isolated for q in parts),
        "returned": sum(q.returned for q in parts),
        "isolated": sum(q.isolated for q in parts),
        "paused": bool(parts) and all(q.paused for q in parts),
        "throughput": round(sum(rates.get((q.queue, q.priority), 0.0) for q in parts), 3),
        "oldest_age": max(
            (seen.oldest_s.get((q.queue, q.priority), 0.0) for q in parts), default=0.0
        ),
        "queues": [
            {
                "queue": q.queue,
                "depth": q.ready + q.isolated,
                "paused": q.paused,
                "throughput": round(rates.get((q.queue, q.priority), 0.0), 3),
                "oldest_age": seen.oldest_s.get((q.queue, q.priority), 0.0),
            }
            for q in parts
        ],
    }
