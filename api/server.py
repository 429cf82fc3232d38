"""Serves an application on a socket: limits of a connection, and what is said to no HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from shoal.api.problems import Problem
from shoal.api.sockets import BACKLOG
from shoal.telemetry.logs import logger

#: Within what a request's head must have arrived, and how long a connection may be idle, in seconds.
KEEPALIVE_S = 30.0
#: How long requests in progress may take when the process is to end, in seconds.
DRAIN_S = 10.0
#: How long the rest of a body that was refused is still read, in seconds, so that its sender reads why.
LINGER_S = 2.0
#: Of a request's first line, and of each header, in bytes.
MAX_LINE = 8190


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ()

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

    def connected() -> Protocol:
        return Protocol(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None = off, as its runner passes it too
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
