"""Subscriptions to events: who wants the same is served together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shoal.api.live.filters import Filter
from shoal.api.live.outbox import Outbox
from shoal.api.live.public import Event
from shoal.broker.event_log import Entry, EventLog
from shoal.model.cursor import BEGIN, Cursor, EntryId

#: Events a frame has at most when they are sampled.
SAMPLED = 10
#: Events that happen during a replay and are kept for after it.
_MAX_HELD = 20_000


class Feed:
    """One client's subscription to events.

    Args:
        topic: Its name in frames.
        outbox: Where they go.
        filter: Which.
        every: Whether all are sent; else a sample.
    """

    def __init__(self, topic: str, outbox: Outbox, filter: Filter, *, every: bool) -> None:
        self.topic = topic
        self.outbox = outbox
        self.filter = filter
        self.every = every
        #: What was read before; what the hub brings of it is not sent again.
        self._read: dict[int, EntryId] = {}
        self._held: list[Event] | None = None

    def begin_replay(self) -> None:
        """From now on keep what happens for after the replay."""
        self._held = []

    def end_replay(self, read: dict[int, EntryId]) -> None:
        """Send what was kept, and from now on what happens.

        Args:
            read: Streams of which more has been read than what the hub brought so far.
        """
        held, self._held = self._held or [], None
        self._read = read
        if held:
            self.offer(held, held, replay=True)

    def offer(
        self, events: Sequence[Event], sample: Sequence[Event], *, replay: bool = False
    ) -> None:
        """Events that fit, and a sample of them."""
        if self._held is not None:
            self._held += events
            excess = len(self._held) - _MAX_HELD
            if excess > 0:
                del self._held[:excess]
                self.outbox.give_up(self.topic, excess)
            return
        if self._read:
            events = [e for e in events if e.entry > self._read.get(e.stream, BEGIN)]
            sample = [e for e in sample if e.entry > self._read.get(e.stream, BEGIN)]
        if events:
            shown = events if self.every or replay else sample
            self.outbox.put_events(self.topic, shown, len(events), replay=replay)


class Feeds:
    """All subscriptions of a process, by filter."""

    def __init__(self) -> None:
        self._groups: dict[Filter, set[Feed]] = {}

    def __len__(self) -> int:
        return sum(len(group) for group in self._groups.values())

    def add(self, feed: Feed) -> None:
        """From now on it gets what happens."""
        self._groups.setdefault(feed.filter, set()).add(feed)

    def remove(self, feed: Feed) -> None:
        """It gets nothing more."""
        group = self._groups.get(feed.filter)
        if group is not None:
            group.discard(feed)
            if not group:
                del self._groups[feed.filter]

    def offer(self, events: Sequence[Event]) -> None:
        """Give each group what fits."""
        for wanted, group in self._groups.items():
            fits = [
                event
                for event in events
                if wanted.fits(event.happening, is_periodic=event.id is None)
            ]
            if fits:
                sample = evenly(fits, SAMPLED)
                for feed in group:
                    feed.offer(fits, sample)

    @property
    def wants_periodic(self) -> bool:
        """Whether anybody named what is sent each second."""
        return any(wanted.wants_periodic for wanted in self._groups)


def evenly(events: Sequence[Event], most: int) -> Sequence[Event]:
    """At most so many of them, evenly spread, the newest among them."""
    n = len(events)
    if n <= most:
        return events
    return [events[(k + 1) * n // most - 1] for k in range(most)]


async def replay(
    log: EventLog,
    cursor: Cursor,
    until: Sequence[EntryId],
    deliver: Callable[[list[Entry]], None],
    outbox: Outbox,
    missed: Callable[[int, int], None],
) -> dict[int, EntryId]:
    """Read what happened after a cursor, up to where the hub is.

    Args:
        log: To read.
        cursor: Where the client stands.
        until: What the hub has brought of each stream.
        deliver: Gets the entries, oldest first, a round of slices at a time.
        outbox: Waited for, so that no more is read than the client takes.
        missed: Told of what is not kept any more: since and until when, Unix ms.

    Returns:
        The streams of which the client has read more than the hub.

    Raises:
        BrokerUnavailable: Redis is away.
    """
    at = dict(enumerate(cursor.positions[: log.streams]))
    ahead = {n: place for n, place in at.items() if place > until[n]}
    first_round = True
    behind = {n: place for n, place in at.items() if place < until[n] or n == cursor.stream}
    while behind:
        found = await log.read(behind, inclusive=first_round)
        entries: list[Entry] = []
        for n, part in found.items():
            place = behind[n]
            rows = [entry for entry in part.entries if entry.id <= max(until[n], at[n])]
            if first_round:
                stands = bool(part.entries) and part.entries[0].id == place
                if not stands and BEGIN < place < part.last and part.first > place:
                    missed(place.ms, part.first.ms)
                if stands:
                    rows = _rest(rows, cursor.events if n == cursor.stream else None)
            entries += rows
            behind[n] = part.entries[-1].id if part.entries else until[n]
        first_round = False
        deliver(sorted(entries, key=lambda entry: (entry.id, entry.stream)))
        await outbox.room()
        behind = {n: place for n, place in behind.items() if place < until[n]}
    return ahead


def _rest(rows: list[Entry], read: int | None) -> list[Entry]:
    """Without the first entry, or with those of its public events that were not read."""
    if read is None or not rows:
        return rows[1:]
    return [rows[0]._replace(read=read), *rows[1:]]
