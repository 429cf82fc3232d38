"""One WebSocket: what its client asks for, and what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from shoal.api.live.board import Board
from shoal.api.live.feed import Feed
from shoal.api.live.hub import Hub
from shoal.api.live.messages import (
    MAX_MESSAGE,
    MAX_TOPICS,
    Message,
    Wrong,
    normal_topic,
    parse,
)
from shoal.api.live.outbox import Outbox
from shoal.api.live.public import time_text
from shoal.api.problems import Problem
from shoal.errors import BrokerUnavailable
from shoal.model.role import Role, Scope
from shoal.telemetry.logs import logger

if TYPE_CHECKING:
    from shoal.api.metrics import LiveMetrics
    from shoal.api.principal import Principal

#: Between two pings, in seconds.
HEARTBEAT_S = 15.0
#: A client that takes nothing for so long is closed.
SLOW_S = 5.0
#: Messages that are not understood before the connection is closed.
MAX_WRONG = 10
FEED = "feed"
SLOW, EXPIRED = 4008, 4401
#: What a topic of one thing shows stands in another part of the API.
_SCOPES = {"task": Scope.TASKS, "operation": Scope.OPERATIONS}


class Session:
    """Serves one connection until it ends.

    Args:
        socket: Prepared.
        transport: Under it; ``None`` = the client is gone already.
        hub: Brings events.
        board: Shows states.
        principal: Whose connection it is.
        stopping: Set when the process is to end.
        metrics: Told what the client gets, and does not get.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        hub: Hub,
        board: Board,
        principal: Principal,
        stopping: asyncio.Event,
        metrics: LiveMetrics,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._hub = hub
        self._board = board
        self._principal = principal
        self._stopping = stopping
        self._metrics = metrics
        self._outbox = Outbox(metrics.dropped)
        self._topics: set[str] = set()
        self._feed: Feed | None = None
        self._replays: set[asyncio.Task[None]] = set()
        self._wrong = 0

    @property
    def dropped(self) -> int:
        """Events that this client was too slow for."""
        return self._outbox.dropped

    async def serve(self) -> None:
        """Until either side ends it."""
        self._hello()
        self._hub.on_status.add(self._status)
        if self._hub.is_away:
            self._status(self._hub.status)
        tasks = [
            asyncio.create_task(self._receive(), name="shoal-ws-receive"),
            asyncio.create_task(self._send(), name="shoal-ws-send"),
            asyncio.create_task(self._end(), name="shoal-ws-end"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            code, reason = 1000, ""
            for task in done:
                if task.exception() is None:
                    code, reason = task.result()
                elif not isinstance(task.exception(), ConnectionError):
                    logger.opt(exception=task.exception()).error("a WebSocket failed")
                    code, reason = 1011, "a fault of Shoal"
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close(code, reason)
        finally:
            for task in tasks:
                task.cancel()
            self._hub.on_status.discard(self._status)
            await self._leave_all()

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(1.0 if code == SLOW else 5.0):
                await self._socket.close(code=code, message=reason.encode())
        if code == SLOW and self._transport is not None:
            # What waits in the kernel would keep the connection for as long as the client is stalled.
            self._transport.abort()

    def _hello(self) -> None:
        expires_s = self._principal.expires_s
        data = {
            "heartbeat": HEARTBEAT_S,
            "max_message": MAX_MESSAGE,
            "max_topics": MAX_TOPICS,
            "now": time_text(time.time_ns() // 1_000_000),
            "expires_at": None if expires_s is None else time_text(round(expires_s * 1000)),
        }
        self._outbox.say({"kind": "hello", "data": data})

    def _status(self, status: dict[str, Any]) -> None:
        self._outbox.say({"kind": "status", "data": status})

    async def _end(self) -> tuple[int, str]:
        """Wait until the process ends, or the right to be here."""
        expires_s = self._principal.expires_s
        left_s = None if expires_s is None else max(0.0, expires_s - time.time())
        try:
            async with asyncio.timeout(left_s):
                await self._stopping.wait()
        except TimeoutError:
            return EXPIRED, "expired"
        return 1001, "this API process ends"

    async def _send(self) -> tuple[int, str]:
        outbox, socket = self._outbox, self._socket
        while True:
            await outbox.more.wait()
            while (frame := outbox.next()) is not None:
                try:
                    async with asyncio.timeout(SLOW_S):
                        await socket.send_frame(frame, WSMsgType.TEXT)
                except TimeoutError:
                    return SLOW, "too slow"
                if outbox.newest_ms:
                    self._metrics.sent(outbox.newest_ms)
                    outbox.newest_ms = 0

    async def _receive(self) -> tuple[int, str]:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                return 1003, "only text is understood"
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                await self._handle(parse(message.data))
            except Wrong as wrong:
                self._say_wrong(wrong)
                self._wrong += 1
                if self._wrong >= MAX_WRONG:
                    return 1008, "too many messages that are not understood"
        return self._socket.close_code or 1000, ""

    def _say_wrong(self, wrong: Wrong) -> None:
        document: dict[str, Any] = {"kind": "error"}
        if wrong.topic is not None:
            document["topic"] = wrong.topic
        document["data"] = {"code": wrong.code, "detail": str(wrong)}
        self._outbox.say(document)

    async def _handle(self, message: Message) -> None:
        if message.op == "ping":
            self._outbox.say({"kind": "pong", "data": message.data})
            return
        topic = normal_topic(message.topic)
        if message.op == "unsub":
            await self._leave(topic)
            self._outbox.say({"kind": "unsubscribed", "topic": topic})
            return
        if topic not in self._topics and len(self._topics) >= MAX_TOPICS:
            raise Wrong("too_many_topics", f"At most {MAX_TOPICS} topics.", topic)
        self._check_right(topic)
        if topic == FEED:
            await self._join_feed(message)
            return
        # Subscribed is said first: what is said goes before all that waits.
        if not self._board.join(topic, self._outbox):
            raise Wrong("unknown_topic", "There is no such topic.", topic)
        self._topics.add(topic)
        self._outbox.say({"kind": "subscribed", "topic": topic})

    def _check_right(self, topic: str) -> None:
        scope = _SCOPES.get(topic.partition(":")[0], Scope.EVENTS)
        try:
            self._principal.check(Role.VIEWER, scope)
        except Problem as problem:
            raise Wrong("forbidden", problem.detail, topic) from None

    async def _join_feed(self, message: Message) -> None:
        wanted, cursor = message.wanted, message.cursor
        await self._leave(FEED)
        feed = self._feed = Feed(FEED, self._outbox, wanted, every=message.mode == "every")
        self._topics.add(FEED)
        self._hub.follow(events=True)

        def missed(since_ms: int, until_ms: int) -> None:
            self._metrics.gaps.inc()
            data = {"since": time_text(since_ms), "until": time_text(until_ms)}
            self._outbox.say({"kind": "missed", "topic": FEED, "data": data})

        async def subscribe() -> None:
            try:
                # Said once nothing that happens from now on is missed.
                await self._hub.ready()
                self._outbox.say({"kind": "subscribed", "topic": FEED})
                await self._hub.subscribe(feed, cursor, missed)
            except ValueError as error:
                self._say_wrong(Wrong("invalid_cursor", str(error), FEED))
            except BrokerUnavailable:
                # It goes on with what happens once Redis is back; the client knows that there is a gap.
                since_ms = max(cursor.positions)[0] if cursor else 0
                missed(since_ms, time.time_ns() // 1_000_000)

        # Beside the reading of messages: a replay takes as long as the client takes.
        task = asyncio.create_task(subscribe(), name="shoal-ws-replay")
        self._replays.add(task)
        task.add_done_callback(self._replays.discard)

    async def _leave(self, topic: str) -> None:
        if topic not in self._topics:
            return
        self._topics.discard(topic)
        if topic == FEED and self._feed is not None:
            for task in list(self._replays):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self._hub.feeds.remove(self._feed)
            self._hub.unfollow(events=True)
            self._feed = None
        else:
            self._board.leave(topic, self._outbox)
        self._outbox.forget(topic)

    async def _leave_all(self) -> None:
        for topic in list(self._topics):
            await self._leave(topic)
