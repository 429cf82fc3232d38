"""What waits to be sent to one client: bounded, and honest about what was given up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from shoal.api.live.public import Event, numbered

#: Frames that wait for one client at most.
MAX_FRAMES = 256
#: Bytes of them.
MAX_BYTES = 1024 * 1024
#: Events a frame may have.
MAX_EVENTS = 1000


@dataclass(slots=True)
class Batch:
    """Events that go in one frame."""

    topic: str
    events: Sequence[Event]
    seen: int
    replay: bool
    size: int


class Outbox:
    """Frames for one client, in the order in which they are to be sent.

    State frames of a topic are not queued twice: a second one turns the waiting one into a snapshot,
    written when its turn comes.
    """

    def __init__(self, dropped: Callable[[str, int], None] | None = None) -> None:
        """``dropped`` is told of events that are given up: the topic, and how many."""
        self._on_drop = dropped
        #: When the newest event of the last frame happened, Unix ms; 0 = none did just now.
        self.newest_ms = 0
        self._control: deque[bytes] = deque()
        self._states: dict[str, tuple[bytes | None, Callable[[], bytes]]] = {}
        self._batches: deque[Batch] = deque()
        self._size = 0
        self._dropped: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._sequence = 0
        self.more = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        #: Events given up since the connection began.
        self.dropped = 0

    def say(self, document: object) -> None:
        """A frame of its own, before all that waits."""
        self._control.append(msgspec.json.encode(document))
        self.more.set()

    def put_state(self, topic: str, frame: bytes | None, snapshot: Callable[[], bytes]) -> None:
        """A delta, or with ``None`` a snapshot.

        Args:
            topic: Whose.
            frame: The delta.
            snapshot: Writes one when it is needed.
        """
        self._states[topic] = (None if topic in self._states else frame, snapshot)
        self.more.set()

    def put_events(
        self, topic: str, events: Sequence[Event], seen: int, *, replay: bool = False
    ) -> None:
        """Events; the oldest that wait are given up when there are too many."""
        self._seen[topic] = self._seen.get(topic, 0) + seen
        for at in range(0, len(events), MAX_EVENTS):
            part = events[at : at + MAX_EVENTS]
            size = sum(len(event.tail) for event in part)
            self._batches.append(Batch(topic, part, 0, replay, size))
            self._size += size
        while len(self._batches) > MAX_FRAMES or (
            self._size > MAX_BYTES and len(self._batches) > 1
        ):
            batch = self._batches.popleft()
            self._size -= batch.size
            self.give_up(batch.topic, len(batch.events))
        if len(self._batches) > MAX_FRAMES // 4:
            self._room.clear()
        self.more.set()

    def give_up(self, topic: str, number: int) -> None:
        """Note events that are not sent."""
        self._dropped[topic] = self._dropped.get(topic, 0) + number
        self.dropped += number
        if self._on_drop is not None:
            self._on_drop(topic, number)

    def forget(self, topic: str) -> None:
        """Nothing that waits for this topic is sent any more."""
        self._states.pop(topic, None)
        kept = [batch for batch in self._batches if batch.topic != topic]
        self._batches = deque(kept)
        self._size = sum(batch.size for batch in kept)
        self._seen.pop(topic, None)
        self._dropped.pop(topic, None)

    async def room(self) -> None:
        """Wait until few frames wait."""
        await self._room.wait()

    def next(self) -> bytes | None:
        """The next frame; ``None`` = there is none now."""
        if self._control:
            return self._control.popleft()
        if self._states:
            topic = next(iter(self._states))
            frame, snapshot = self._states.pop(topic)
            return snapshot() if frame is None else frame
        batch = self.next_batch()
        if batch is None:
            self.more.clear()
            return None
        return self._frame(batch)

    def next_batch(self) -> Batch | None:
        """The next events, with what was seen since those before."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self._size -= batch.size
        if len(self._batches) <= MAX_FRAMES // 8:
            self._room.set()
        batch.seen = self._seen.pop(batch.topic, len(batch.events))
        return batch

    def next_control(self) -> bytes | None:
        """The next frame of its own."""
        return self._control.popleft() if self._control else None

    def take_dropped(self, topic: str) -> int:
        """Events given up since the last time."""
        return self._dropped.pop(topic, 0)

    def _frame(self, batch: Batch) -> bytes:
        first = self._sequence + 1
        self._sequence += len(batch.events)
        dropped = self.take_dropped(batch.topic)
        newest = batch.events[-1]
        if not batch.replay and newest.stream >= 0:
            self.newest_ms = newest.entry.ms
        return b'{"kind":"events","topic":%b,"seen":%d,"shown":%d%b%b,"events":[%b]}' % (
            msgspec.json.encode(batch.topic),
            batch.seen,
            len(batch.events),
            b',"dropped":%d' % dropped if dropped else b"",
            b',"replay":true' if batch.replay else b"",
            numbered(batch.events, first),
        )
