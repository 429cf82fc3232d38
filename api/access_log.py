"""One structured line about a request: never a payload, a key, a query or an address as it came."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from aiohttp import web

from shoal.telemetry.logs import logger

#: Lines a second about requests that failed; what is beyond is counted and said with the next.
MAX_LINES_PER_S = 20


class AccessLog:
    """Logs failures of the server (5xx), and with LOG_LEVEL=debug every request.

    A line for each request costs as much as the request; metrics count them all.

    Args:
        everything: Says whether every request is logged.
    """

    def __init__(self, *, everything: Callable[[], bool]) -> None:
        self._everything = everything
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def wants(self, status: int) -> bool:
        """Whether an answer of this status is logged."""
        return status >= 500 or self._everything()

    def write(self, request: web.Request, route: str, status: int, took_s: float) -> None:
        """Log it, unless there were enough lines this second.

        Args:
            request: Its method and who sent it are told.
            route: The pattern of its address, not the address.
            status: Of the answer.
            took_s: How long it took, in seconds.
        """
        if not self._everything():
            second = int(monotonic())
            if second != self._second:
                self._second, self._lines = second, 0
            if self._lines >= MAX_LINES_PER_S:
                self._left_out += 1
                return
            self._lines += 1
        line = logger.bind(
            method=request.method,
            route=route,
            status=status,
            duration_ms=round(took_s * 1000, 3),
            client=request.remote or "",
        )
        if self._left_out:
            line = line.bind(not_logged=self._left_out)
            self._left_out = 0
        line.log("WARNING" if status >= 500 else "DEBUG", "request")
