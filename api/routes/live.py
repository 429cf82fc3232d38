"""Live data: the WebSocket, the event stream, and figures that are answered once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec
from aiohttp import web

from shoal.api.live.live import MAX_CONNECTIONS, Live
from shoal.api.live.messages import MAX_MESSAGE
from shoal.api.live.session import HEARTBEAT_S, Session
from shoal.api.live.sse import Stream
from shoal.api.problems import Problem
from shoal.api.query import only, wrong
from shoal.api.responses import respond
from shoal.api.state import PRINCIPAL, STATE, ApiState
from shoal.model.duration import parse_duration
from shoal.model.series import Plan


async def websocket(request: web.Request) -> web.StreamResponse:
    """What happens, as docs/websocket.md has it."""
    state = request.app[STATE]
    socket = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE, compress=False, autoping=True
    )
    if "Origin" in request.headers and not state.authenticator.is_own_origin(request.headers):
        raise Problem(
            "forbidden", "Pages of this origin may not open it: see SHOAL_ALLOWED_ORIGINS."
        )
    if not socket.can_prepare(request).ok:
        raise Problem(
            "bad_request",
            "This address speaks WebSocket (RFC 6455) only; for plain HTTP there is /api/v1/events.",
        )
    with _counted(state) as live:
        await socket.prepare(request)
        await Session(
            socket,
            request.transport,
            live.hub,
            live.board,
            request[PRINCIPAL],
            state.stopping,
            state.http.live,
        ).serve()
    return socket


async def events(request: web.Request) -> web.StreamResponse:
    """The same events as Server-Sent Events."""
    stream = Stream.parse(request)
    if request.method == "HEAD":
        return respond(b"", content_type="text/event-stream")
    with _counted(request.app[STATE]) as live:
        return await stream.serve(request, live.hub, request[PRINCIPAL])


async def stats(request: web.Request) -> web.Response:
    """Exact numbers and rates of the whole deployment, at most half a second old."""
    return respond(msgspec.json.encode(await request.app[STATE].live.board.stats.get()))


async def series(request: web.Request) -> web.Response:
    """Numbers over time, for a chart."""
    query = request.query
    only(query, "range", "step")
    try:
        step = query.get("step")
        plan = Plan.of(
            parse_duration(query.get("range", "15m")),
            None if step is None else parse_duration(step),
        )
    except ValueError as error:
        raise wrong(str(error)) from None
    return respond(msgspec.json.encode(await request.app[STATE].series.chart(plan)))


@contextlib.contextmanager
def _counted(state: ApiState) -> Iterator[Live]:
    """While a client is connected.

    Raises:
        Problem: ``busy``.
    """
    live, clients = state.live, state.http.live.clients
    if live.connections >= MAX_CONNECTIONS:
        raise Problem("busy", "Too many live connections. Come again.", retry_after_s=5.0)
    live.connections += 1
    clients.inc()
    try:
        yield live
    finally:
        live.connections -= 1
        clients.dec()
