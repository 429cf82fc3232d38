"""Server-Sent Events: the feed for programs that speak plain HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Self

from aiohttp import web

from shoal.api.live.feed import Feed
from shoal.api.live.filters import Filter, FilterSpec, filter_of
from shoal.api.live.hub import Hub
from shoal.api.live.outbox import Outbox
from shoal.api.live.public import numbered, time_text
from shoal.api.problems import Problem
from shoal.api.state import STATE
from shoal.errors import BrokerUnavailable
from shoal.model.cursor import Cursor

if TYPE_CHECKING:
    from shoal.api.metrics import LiveMetrics
    from shoal.api.principal import Principal

#: A silent stream has a comment so often, in seconds, so that proxies keep it.
COMMENT_S = 15.0
#: A client that takes nothing for so long is closed.
SLOW_S = 5.0
_PARAMETERS = {*FilterSpec.__struct_fields__, "mode", "since"}


class Stream:
    """One stream that is asked for.

    Args:
        filter: Which events.
        every: Whether all of them; else a sample.
        cursor: What to begin with; ``None`` = what happens from now on.
        metrics: Told what the client does not get.
    """

    def __init__(
        self, filter: Filter, cursor: Cursor | None, metrics: LiveMetrics, *, every: bool
    ) -> None:
        self._metrics = metrics
        self._outbox = Outbox(metrics.dropped)
        self._feed = Feed("feed", self._outbox, filter, every=every)
        self._cursor = cursor
        self._sequence = 0

    @classmethod
    def parse(cls, request: web.Request) -> Self:
        """Read the address and ``Last-Event-ID``, which goes before ``since``.

        Raises:
            Problem: A parameter is unknown or wrong.
        """
        query = request.query
        if unknown := sorted(set(query) - _PARAMETERS):
            known = ", ".join(sorted(_PARAMETERS))
            raise Problem(
                "invalid_parameter",
                f"There is no parameter {unknown[0]!r:.80}; there are {known}.",
            )
        mode = query.get("mode", "every")
        if mode not in ("every", "sample"):
            raise Problem("invalid_parameter", "mode: must be every or sample")
        since = request.headers.get("Last-Event-ID") or query.get("since")
        try:
            cursor = None if since is None else Cursor.decode(since)
            metrics = request.app[STATE].http.live
            return cls(filter_of(query), cursor, metrics, every=mode == "every")
        except ValueError as error:
            raise Problem("invalid_parameter", str(error)) from None

    async def serve(
        self, request: web.Request, hub: Hub, principal: Principal
    ) -> web.StreamResponse:
        """Send until either side ends it."""
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
                "Server": "shoal",
            }
        )
        await response.prepare(request)
        hub.follow(events=True)
        try:
            async with asyncio.TaskGroup() as group:
                replay = group.create_task(self._begin(hub))
                stopping = request.app[STATE].stopping
                ending = group.create_task(stopping.wait())
                sending = group.create_task(self._send(response, request, principal, ending))
                await sending
                for task in (replay, ending):
                    task.cancel()
        finally:
            hub.feeds.remove(self._feed)
            hub.unfollow(events=True)
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
        return response

    async def _begin(self, hub: Hub) -> None:
        def missed(since_ms: int, until_ms: int) -> None:
            self._metrics.gaps.inc()
            self._outbox.say({"since": time_text(since_ms), "until": time_text(until_ms)})

        try:
            await hub.subscribe(self._feed, self._cursor, missed)
        except (BrokerUnavailable, ValueError):
            cursor = self._cursor
            missed(max(cursor.positions)[0] if cursor else 0, time.time_ns() // 1_000_000)
            hub.feeds.add(self._feed)

    async def _send(
        self,
        response: web.StreamResponse,
        request: web.Request,
        principal: Principal,
        ending: asyncio.Task[bool],
    ) -> None:
        outbox = self._outbox
        # How long to wait before a connection is made anew; and that this one stands.
        part: bytes | None = b"retry: 1000\n\n"
        while True:
            if part is None:
                waiting = asyncio.ensure_future(outbox.more.wait())
                try:
                    await asyncio.wait(
                        {waiting, ending},
                        timeout=COMMENT_S,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                finally:
                    waiting.cancel()
                transport = request.transport
                if ending.done() or transport is None or transport.is_closing():
                    return
                if principal.expires_s is not None and principal.expires_s <= time.time():
                    return
                part = self._next() or (b"" if outbox.more.is_set() else b": still here\n\n")
            try:
                async with asyncio.timeout(SLOW_S):
                    await response.write(part)
            except (TimeoutError, ConnectionError):
                if request.transport is not None:
                    request.transport.abort()
                return
            part = self._next()

    def _next(self) -> bytes | None:
        """The next of what waits, as text of the stream."""
        outbox = self._outbox
        if (missed := outbox.next_control()) is not None:
            return b"event: missed\ndata: %b\n\n" % missed
        batch = outbox.next_batch()
        if batch is None:
            outbox.more.clear()
            return None
        parts = []
        if dropped := outbox.take_dropped(batch.topic):
            parts.append(b'event: dropped\ndata: {"dropped":%d}\n\n' % dropped)
        for event in batch.events:
            self._sequence += 1
            head = b"" if event.id is None else b"id: %b\n" % event.id.encode()
            body = numbered([event], self._sequence)
            parts.append(b"%bevent: %b\ndata: %b\n\n" % (head, event.name.encode(), body))
        return b"".join(parts)
