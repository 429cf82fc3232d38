"""Events as clients get them: decoded once, encoded once for all who are sent it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from shoal.broker.event_log import Entry
from shoal.broker.happenings import Happening
from shoal.model import cursor
from shoal.model.cursor import EntryId

__all__ = ["Event", "events_of", "synthetic", "time_text"]


def time_text(ms: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Event:
    """One public event.

    Attributes:
        happening: What happened.
        stream: Of which stream its entry is; -1 = of none.
        entry: Its entry; what a reader has read up to here is not sent again.
        id: The cursor to go on from; ``None`` = none leads here.
    """

    __slots__ = ("_tail", "entry", "happening", "id", "stream")

    def __init__(self, happening: Happening, stream: int, entry: EntryId, id: str | None) -> None:
        self.happening = happening
        self.stream = stream
        self.entry = entry
        self.id = id
        self._tail: bytes | None = None

    @property
    def name(self) -> str:
        """Its type."""
        event = self.happening.event
        return "" if event is None else event.value

    @property
    def tail(self) -> bytes:
        """The event as JSON, but for ``{"seq":<n>,`` in front."""
        if self._tail is None:
            document = {
                "id": self.id,
                "type": self.name,
                "timestamp": time_text(self.entry.ms),
                "data": self.happening.document(),
            }
            self._tail = msgspec.json.encode(document)[1:]
        return self._tail


def events_of(entries: Iterable[Entry], positions: list[EntryId]) -> tuple[list[Event], set[str]]:
    """The public events of entries, and the tasks that any of them changed.

    Args:
        entries: In the order in which clients shall get them.
        positions: What has been read of each stream; moved on.
    """
    events: list[Event] = []
    touched: set[str] = set()
    for entry in entries:
        positions[entry.stream] = max(positions[entry.stream], entry.id)
        touched.update(h.task_id for h in entry.happenings)
        public = [h for h in entry.happenings if h.event is not None]
        if not public:
            continue
        whole = cursor.encode(positions)
        last = len(public)
        for number, happening in enumerate(public[entry.read :], 1 + entry.read):
            # Within an entry: read again, but for the events up to this one.
            at = whole if number == last else cursor.encode(positions, entry.stream, number)
            events.append(Event(happening, entry.stream, entry.id, at))
    return events, touched


def synthetic(happening: Happening, now_ms: int) -> Event:
    """An event that stands in no stream."""
    return Event(happening, -1, EntryId(now_ms, 0), None)


def numbered(events: Sequence[Event], first: int) -> bytes:
    """Events as the members of a JSON array, numbered from ``first``."""
    return b",".join(
        b'{"seq":%d,%b' % (number, event.tail) for number, event in enumerate(events, first)
    )
