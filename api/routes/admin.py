"""The deployment as a whole, for operators: its numbers, and what operators did."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aiohttp import web

from shoal.api.query import only, whole, wrong
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.api.throughput import THROUGHPUT
from shoal.broker.audit import MAX_READ, AuditLog
from shoal.model.priority import Priority
from shoal.model.task import format_time, from_unix_ms

_ENTRY = re.compile(r"[0-9]{1,15}-[0-9]{1,20}")
#: How many entries are looked at for a page that is filtered.
_LOOKED_AT = 10_000


async def metrics(request: web.Request) -> web.Response:
    """What the whole deployment does, in one document: workers, tasks, depths, throughput."""
    only(request.query)
    state = request.app[STATE]
    seen = await state.cluster.overview.get()
    records = await state.gateway.connection.registry.live()
    slots = sum(record.concurrency for record in records)
    rates = request.app[THROUGHPUT].rates(seen.settled)
    depths = {
        priority.name: sum(q.ready + q.isolated for q in seen.queues if q.priority == priority)
        for priority in sorted(Priority, reverse=True)
    }
    document: dict[str, Any] = {
        "workers": len(records),
        "slots": slots,
        "running": sum(record.current_tasks for record in records),
        "utilisation": round(
            sum(r.utilisation * r.concurrency for r in records) / slots if slots else 0.0, 4
        ),
        "memory": sum(record.memory_bytes for record in records),
        "tasks": seen.tasks,
        "dlq": seen.tasks.get("DEAD", 0),
        "depth": depths,
        "throughput": round(sum(rates.values()), 3),
        "oldest_age": max(seen.oldest_s.values(), default=0.0),
        "settled": sum(seen.settled.values()),
    }
    return respond(msgspec.json.encode(document))


async def audit_log(request: web.Request) -> web.Response:
    """What operators did, newest first; ``cursor`` goes on, ``who`` and ``action`` choose."""
    only(request.query, "limit", "cursor", "who", "action")
    limit = whole(request.query, "limit", 50, 1, 200)
    cursor = request.query.get("cursor", "")
    if cursor and not _ENTRY.fullmatch(cursor):
        raise wrong("cursor: must be the next_cursor of a page.")
    log = AuditLog(request.app[STATE].gateway.connection.broker)
    wanted = {name: request.query[name] for name in ("who", "action") if name in request.query}
    entries: list[dict[str, Any]] = []
    looked = 0
    while len(entries) < limit and looked < _LOOKED_AT:
        page = await log.read(MAX_READ if wanted else limit, cursor)
        for entry in page:
            looked += 1
            cursor = entry.id
            document = msgspec.to_builtins(entry.record) | {
                "id": entry.id,
                "at": format_time(from_unix_ms(entry.at_ms)),
            }
            if all(document.get(name) == value for name, value in wanted.items()):
                entries.append({"target": "", "outcome": "done", "detail": {}, **document})
            if len(entries) >= limit:
                break
        else:
            if len(page) < (MAX_READ if wanted else limit):
                cursor = ""
                break
    return respond(msgspec.json.encode({"entries": entries, "next_cursor": cursor or None}))
