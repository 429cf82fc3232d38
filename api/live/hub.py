"""The one reader of events in an API process: reads once, for all clients.

The streams are the truth; what is published only says that there is more, so a message that is lost
delays and never loses. While nobody follows, nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from shoal.api.gateway import Gateway
from shoal.api.live.feed import Feed, Feeds, replay
from shoal.api.live.public import events_of, time_text
from shoal.broker.event_log import Entry, EventLog, News
from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, ShoalError
from shoal.model.backoff import Backoff
from shoal.model.cursor import Cursor, EntryId
from shoal.telemetry.logs import logger

#: While things happen, they are sent so often, in seconds.
FRAME_S = 0.05
#: All partitions are looked at so often, whatever was heard: what a lost message costs at most.
LOOK_S = 0.5
#: Workers' events have no channel and are looked for, in seconds.
WORKERS_S = 0.08


class Hub:
    """Follows the event streams for as long as anybody wants them.

    Args:
        gateway: To Redis.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.feeds = Feeds()
        #: Told which tasks have changed.
        self.watchers: set[Callable[[set[str]], None]] = set()
        #: Told when Redis goes or comes: whether it is away, and since when (Unix ms).
        self.on_status: set[Callable[[dict[str, Any]], None]] = set()
        #: Set when anything happened; whoever waits for it clears it.
        self.changed = asyncio.Event()
        #: Set when workers came, went or paused.
        self.workers_changed = asyncio.Event()
        #: Followers of any kind, and those of them that want events and not only to hear of changes.
        self._followers = 0
        self._readers = 0
        self._wanted = asyncio.Event()
        self._positions: list[EntryId] | None = None
        self._ready = asyncio.Event()
        self._away_since_ms: int | None = None

    @property
    def status(self) -> dict[str, Any]:
        """The ``data`` of a ``status`` frame."""
        since = self._away_since_ms
        if since is None:
            return {"redis": "connected", "since": None}
        return {"redis": "disconnected", "since": time_text(since)}

    @property
    def is_away(self) -> bool:
        """Whether Redis does not answer."""
        return self._away_since_ms is not None

    def follow(self, *, events: bool) -> None:
        """From now on somebody wants to hear of changes, or to get events; end it with ``unfollow``."""
        self._followers += 1
        self._readers += events
        self._wanted.set()

    def unfollow(self, *, events: bool) -> None:
        """The contrary of ``follow``."""
        self._followers -= 1
        self._readers -= events
        if not self._followers:
            self._wanted.clear()

    async def ready(self) -> None:
        """Wait until the streams are read."""
        await self._ready.wait()

    async def run(self) -> None:
        """Follow for ever, through every outage."""
        backoff = Backoff()
        while True:
            await self._wanted.wait()
            try:
                await self._follow(backoff)
            except BrokerUnavailable as error:
                logger.debug("events can't be read now: {}", error)
                self._set_away(away=True)
                await asyncio.sleep(backoff.next_s())
            except ShoalError as error:
                logger.error("events can't be read: {}", error)
                self._set_away(away=True)
                await asyncio.sleep(backoff.next_s())

    async def subscribe(
        self,
        feed: Feed,
        cursor: Cursor | None,
        missed: Callable[[int, int], None],
    ) -> None:
        """Begin to feed; with a cursor, first what happened since. The caller follows already.

        Raises:
            BrokerUnavailable: Redis went away meanwhile; the feed goes on with what happens.
            ValueError: The cursor is of another number of partitions.
        """
        await self._ready.wait()
        if cursor is None:
            self.feeds.add(feed)
            return
        positions = self._positions
        if positions is None:
            raise BrokerUnavailable("events can't be read now")
        if len(cursor.positions) > len(positions):
            raise ValueError("this id is of an installation with more partitions")
        until = list(positions)
        feed.begin_replay()
        self.feeds.add(feed)
        log = EventLog(self._gateway.connection.broker)
        at = list(cursor.positions) + until[len(cursor.positions) :]

        def deliver(entries: list[Entry]) -> None:
            events = [e for e in events_of(entries, at)[0] if feed.filter.fits(e.happening)]
            if events:
                feed.outbox.put_events(feed.topic, events, len(events), replay=True)

        ahead: dict[int, EntryId] = {}
        try:
            ahead = await replay(log, cursor, until, deliver, feed.outbox, missed)
        finally:
            feed.end_replay(ahead)

    async def _follow(self, backoff: Backoff) -> None:
        broker = self._gateway.connection.broker
        log = EventLog(broker)
        async with News(broker) as news:
            looked_s = workers_s = 0.0
            try:
                while self._followers:
                    began_s = mono_s()
                    heard = set(news.take())
                    streams = set(heard)
                    if began_s - looked_s >= LOOK_S:
                        looked_s = began_s
                        streams.update(range(log.streams))
                    if began_s - workers_s >= WORKERS_S:
                        workers_s = began_s
                        streams.add(log.namespace_stream)
                    if self._readers:
                        happened = await self._read(log, streams)
                    else:
                        happened = await self._look(log, bool(heard))
                    self._set_away(away=False)
                    backoff.reset()
                    if happened:
                        await asyncio.sleep(max(0.0, FRAME_S - (mono_s() - began_s)))
                    else:
                        await news.wait(WORKERS_S)
            finally:
                if not self._followers:
                    self._stop_reading()

    def _stop_reading(self) -> None:
        """Whoever comes next begins with what happens then."""
        self._positions = None
        self._ready.clear()

    async def _look(self, log: EventLog, heard: bool) -> bool:  # noqa: FBT001 - private
        """Nobody wants the events themselves: only whether there are any, and what became of workers."""
        positions = self._positions
        if self._ready.is_set() or positions is None:
            self._stop_reading()
            positions = self._positions = await log.ends()
        stream = log.namespace_stream
        part = (await log.read({stream: positions[stream]}))[stream]
        if part.entries:
            positions[stream] = part.entries[-1].id
            self.workers_changed.set()
            heard = True
        if heard:
            self.changed.set()
        return heard

    async def _read(self, log: EventLog, streams: set[int]) -> bool:
        """Read what these streams have more, and give it to all; whether there was any."""
        if not self._ready.is_set():
            self._positions = await log.ends()
            self._ready.set()
        positions = self._positions or []
        happened = False
        while streams:
            found = await log.read({n: positions[n] for n in streams})
            entries: list[Entry] = []
            streams = set()
            for n, part in found.items():
                if part.entries:
                    entries += part.entries
                    if part.entries[-1].id < part.last:
                        streams.add(n)
                elif part.last < positions[n] and part.last != EntryId(0, 0):
                    # After a failover to a clock behind: the stream goes on from an earlier time.
                    positions[n] = part.last
            if entries:
                happened = True
                self._give(entries, positions)
        return happened

    def _give(self, entries: list[Entry], positions: list[EntryId]) -> None:
        entries.sort(key=lambda entry: (entry.id, entry.stream))
        self.changed.set()
        if any(entry.stream == len(positions) - 1 for entry in entries):
            self.workers_changed.set()
        if len(self.feeds) or self.watchers:
            events, touched = events_of(entries, positions)
            if events:
                self.feeds.offer(events)
            for watcher in self.watchers:
                watcher(touched)
        else:
            for entry in entries:
                positions[entry.stream] = max(positions[entry.stream], entry.id)

    def _set_away(self, *, away: bool) -> None:
        if away == (self._away_since_ms is not None):
            return
        self._away_since_ms = time.time_ns() // 1_000_000 if away else None
        self.changed.set()
        for told in self.on_status:
            told(self.status)


@contextlib.asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[None]:
    """While inside, the hub works."""
    task = asyncio.create_task(hub.run(), name="shoal-hub")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
