"""A lean HTTP/1.1 load generator: kept connections, requests made beforehand, one answer at a time.

A general client costs as much for a request as the API does to answer it, and both share two cores.
This one writes ready-made bytes and reads no more of an answer than its status and its length.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self, cast

from loadtest.failure import BenchmarkFailed

ACCEPTED: Final = b"HTTP/1.1 202"
BATCH_ANSWER: Final = b'\r\n\r\n{"results":'
ALL_ACCEPTED: Final = b',"rejected":0}'
SHOWN_BYTES: Final = 300


def post(path: str, key: str, body: bytes) -> bytes:
    """A whole request."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _check(answer: bytes) -> None:
    """A batch is a 202 also when tasks in it were refused."""
    if answer.startswith(ACCEPTED) and (
        BATCH_ANSWER not in answer or answer.endswith(ALL_ACCEPTED)
    ):
        return
    shown = answer[:SHOWN_BYTES].decode(errors="replace")
    raise BenchmarkFailed(f"not all was accepted: {shown} … {answer[-SHOWN_BYTES:]!r}")


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._missing = 0
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if not self._missing:
            head = buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            at = buffer.lower().index(b"content-length:", 0, head) + 15
            self._missing = head + 4 + int(buffer[at : buffer.index(b"\r", at)])
        if len(buffer) >= self._missing:
            self._buffer, self._missing = b"", 0
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(buffer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchmarkFailed(f"the API closed a connection: {exc}"))

    async def ask(self, request: bytes) -> bytes:
        """Send it; the whole answer.

        Raises:
            BenchmarkFailed: The connection ended.
        """
        if self._transport is None or self._transport.is_closing():
            raise BenchmarkFailed("the API closed a connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()


class HttpLoad:
    """Submissions over some kept connections; the time of each is taken.

    Attributes:
        took_s: How long each answer took; in an open loop the wait for a free connection included.
    """

    def __init__(self, connections: list[_Connection]) -> None:
        self._all = connections
        self._free = deque(connections)
        self._waiting: deque[asyncio.Future[_Connection]] = deque()
        self.took_s: list[float] = []

    @classmethod
    @asynccontextmanager
    async def connect(cls, port: int, number: int) -> AsyncIterator[Self]:
        """So many connections to the API on this port."""
        loop = asyncio.get_running_loop()
        made = [
            (await loop.create_connection(_Connection, "127.0.0.1", port))[1] for _ in range(number)
        ]
        try:
            yield cls(made)
        finally:
            for connection in made:
                connection.close()

    async def submit(self, request: bytes) -> bytes:
        """Send on a free connection, waiting for one; the answer, which must be a 202.

        Raises:
            BenchmarkFailed: It was refused, or the connection ended.
        """
        began = time.perf_counter()
        connection = await self._take()
        answer = await connection.ask(request)
        self.took_s.append(time.perf_counter() - began)
        self._give_back(connection)
        _check(answer)
        return answer

    async def all(self, requests: list[bytes], tasks: int) -> None:
        """A closed loop: every connection sends the next request as soon as it has its answer.

        Args:
            requests: Taken in turn.
            tasks: How many are sent in all.

        Raises:
            BenchmarkFailed: One was refused, or a connection ended.
        """
        numbers = iter(range(tasks))

        async def caller(connection: _Connection) -> None:
            for number in numbers:
                began = time.perf_counter()
                answer = await connection.ask(requests[number % len(requests)])
                self.took_s.append(time.perf_counter() - began)
                _check(answer)

        callers = [asyncio.ensure_future(caller(connection)) for connection in self._all]
        try:
            await asyncio.gather(*callers)
        finally:
            for one in callers:
                one.cancel()

    async def _take(self) -> _Connection:
        if self._free:
            return self._free.popleft()
        waiting: asyncio.Future[_Connection] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        return await waiting

    def _give_back(self, connection: _Connection) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(connection)
        else:
            self._free.append(connection)
