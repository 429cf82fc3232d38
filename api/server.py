"""Serves an application on a socket: limits of a connection, and what is said to no HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from aiohttp import web

from shoal.api.addresses import Addresses
from shoal.api.live.masking import MaskedFrames
from shoal.api.problems import Problem
from shoal.api.sockets import BACKLOG
from shoal.api.state import STATE
from shoal.settings.api import ApiSettings
from shoal.telemetry.logs import logger

#: Within what a request's head must have arrived, and how long a connection may be idle, in seconds.
KEEPALIVE_S = 30.0
#: How long requests in progress may take when the process is to end, in seconds.
DRAIN_S = 10.0
#: How long the rest of a body that was refused is still read, in seconds, so that its sender reads why.
LINGER_S = 2.0
#: Of a request's first line, and of each header, in bytes.
MAX_LINE = 8190
_BUSY = Problem("busy", "There are too many connections. Come again.", retry_after_s=1.0)
#: What a connection too many is answered, before it has asked anything.
_TOO_MANY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
    b"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
    % (len(_BUSY.encode()), _BUSY.encode())
)


class Connections:
    """How many there are to one port, in all and from each address.

    Args:
        settings: How many there may be.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._most = settings.max_connections
        self._most_each = settings.max_connections_per_address
        self._addresses = Addresses(settings.trusted_proxies)
        self._by_address: Counter[str] = Counter()
        self._all = 0

    def enter(self, address: str) -> bool:
        """Count one more; whether it may be."""
        if self._all >= self._most:
            return False
        if self._by_address[address] >= self._most_each and not self._addresses.is_trusted(address):
            return False
        self._all += 1
        self._by_address[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One that was counted is over."""
        self._all -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_address", "_connections")

    def __init__(self, manager: Any, connections: Connections, **more: Any) -> None:
        super().__init__(manager, **more)
        self._connections = connections
        #: ``None``: it was not let in, or is over.
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if not self._connections.enter(address):
            transport = cast("asyncio.Transport", transport)
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._address = address
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop; what comes from who was not let in is not looked at."""
        if self._address is not None:
            super().data_received(data)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Called when a WebSocket begins."""
        super().set_parser(cast("Any", MaskedFrames(parser)), data_received_cb)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by the loop."""
        if self._address is not None:
            self._connections.leave(self._address)
            self._address = None
            super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what failed outside of every handler, and close.

        aiohttp would log a traceback, with bytes that an attacker chose.
        """
        if status >= 500:
            logger.opt(exception=exc).error("a request failed outside of its handler")
        else:
            reason = " ".join((message or str(exc) or "").split())[:120]
            logger.bind(client=request.remote or "").info("malformed request: {!a}", reason)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer is sent already")
        code = "bad_request" if status < 500 else "internal_error"
        response = Problem(code, "This is no HTTP request that can be read.").response()
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """What aiohttp itself could not handle; one line."""
        logger.opt(exception=kw.get("exc_info")).error("a connection failed: {}", args[0])


@contextlib.asynccontextmanager
async def serving(app: web.Application, bound: socket.socket) -> AsyncIterator[None]:
    """Serve while inside; at the end let requests in progress finish, at most ``DRAIN_S``.

    Args:
        app: Is started here.
        bound: Of ``open_sockets``.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=DRAIN_S,
        # A client that hangs up cancels nothing of what was begun for it.
        handler_cancellation=False,
    )
    await runner.setup()
    manager = runner.server
    if manager is None:
        raise RuntimeError("aiohttp made no server")
    loop = asyncio.get_running_loop()
    connections = Connections(app[STATE].settings.api)

    def connected() -> Protocol:
        return Protocol(
            manager,
            connections,
            loop=loop,
            access_log=None,  # off, as its runner passes it too
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )

    try:
        server = await loop.create_server(connected, sock=bound, backlog=BACKLOG)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()
