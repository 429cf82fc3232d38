"""Whether the process and what it needs are well: open to everybody, and says words only."""

from __future__ import annotations

import msgspec
from aiohttp import web

from shoal.api import metrics
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.errors import ShoalError

_TEXT = "text/plain; charset=utf-8"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


async def health(request: web.Request) -> web.Response:
    """Redis and workers: 200 while tasks can be accepted, 503 while Redis is away."""
    document: dict[str, str | int | None]
    try:
        reach = await request.app[STATE].cluster.reach.get()
    except ShoalError:
        document = {"status": "unhealthy", "redis": "disconnected", "workers": None}
        return respond(msgspec.json.encode(document), 503, {"Retry-After": "1"})
    # Without a worker tasks are accepted all the same, and wait.
    status = "healthy" if reach.workers and not reach.partitions_away else "degraded"
    document = {"status": status, "redis": "connected", "workers": reach.workers}
    if reach.partitions_away:
        # Of a cluster, and so of some tasks only.
        document |= {"redis": "partly", "partitions_away": reach.partitions_away}
    return respond(msgspec.json.encode(document))


async def livez(_request: web.Request) -> web.Response:
    """The process answers; nothing else is asked."""
    return respond(b"ok\n", content_type=_TEXT)


async def readyz(request: web.Request) -> web.Response:
    """Whether requests should be sent here."""
    state = request.app[STATE]
    if state.stopping.is_set():
        return respond(b"stopping\n", 503, content_type=_TEXT)
    try:
        await state.cluster.reach.get()
    except ShoalError:
        return respond(b"Redis cannot be reached\n", 503, content_type=_TEXT)
    return respond(b"ok\n", content_type=_TEXT)


async def prometheus(request: web.Request) -> web.Response:
    """What this host's API processes counted, and gauges of the whole deployment."""
    state = request.app[STATE]
    try:
        scrape = await state.cluster.scrape.get()
    except ShoalError:
        scrape = None
    state.http.in_progress.set(state.occupancy.requests)
    text = metrics.page(
        state.http,
        scrape,
        with_own=state.settings.metrics_enabled,
        limits=state.settings.limit,
    )
    return respond(text, content_type=_PROMETHEUS)
