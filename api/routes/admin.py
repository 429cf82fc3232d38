"""Workers and queues, for operators."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from shoal.api.problems import Problem
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.api.throughput import THROUGHPUT
from shoal.model.identity import check_queue
from shoal.model.priority import Priority


async def workers(request: web.Request) -> web.Response:
    """All live workers, by id."""
    records = await request.app[STATE].gateway.connection.registry.live()
    return respond(msgspec.json.encode({"workers": [r.to_json() for r in records]}))


async def queues(request: web.Request) -> web.Response:
    """The four priorities, highest first: sums over all queues, or one queue's with ``?queue=``."""
    name = request.query.get("queue")
    try:
        if name is not None:
            check_queue(name)
    except ValueError as error:
        raise Problem("invalid_parameter", f"queue: {error}") from None
    seen = await request.app[STATE].cluster.overview.get()
    rates = request.app[THROUGHPUT].rates(seen.settled)
    rows: list[dict[str, Any]] = []
    for priority in sorted(Priority, reverse=True):
        # A queue that nobody has used yet is empty, and becomes one with its first task.
        parts = [q for q in seen.queues if q.priority == priority and name in (None, q.queue)]
        rows.append(
            {
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
        )
    return respond(msgspec.json.encode({"queues": rows}))
