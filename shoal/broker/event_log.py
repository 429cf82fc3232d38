"""Reading what happened, of every partition and of the namespace; and hearing that there is more."""

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from shoal.broker import keys
from shoal.broker.broker import Broker
from shoal.broker.calls import Call
from shoal.broker.happenings import Happening, happenings, worker_happenings
from shoal.broker.namespace_calls import run_on
from shoal.broker.scripts import script
from shoal.broker.wakeups import Wakeups
from shoal.model.cursor import BEGIN, EntryId

#: Entries of a stream that one call brings.
ENTRIES = 500


class Entry(NamedTuple):
    """What one script call changed.

    Attributes:
        stream: The partition's number; as many as there are partitions = the namespace's stream.
        id: Its place in the stream; ``id.ms`` is when it happened.
        happenings: In order.
        read: So many of the public ones among them were read before.
    """

    stream: int
    id: EntryId
    happenings: list[Happening]
    read: int = 0


class Slice(NamedTuple):
    """A part of one stream.

    Attributes:
        entries: Oldest first.
        first: The oldest entry that is kept.
        last: The newest there is.
    """

    entries: list[Entry]
    first: EntryId
    last: EntryId


class EventLog:
    """Reads events; of no process' memory, so whatever one reader knows another can go on from.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._workers = keys.workers(broker.settings.namespace)
        #: How many streams there are: the partitions', and last the namespace's.
        self.streams = broker.partitions + 1

    @property
    def namespace_stream(self) -> int:
        """The number of the stream that tells of workers."""
        return self.streams - 1

    async def ends(self) -> list[EntryId]:
        """Where each stream ends now.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        pending = [self._broker.pending(self._call(n, "", 0)) for n in range(self.streams - 1)]
        ends = [(await one).last for one in pending]
        reply = await run_on(self._broker, self._workers, "worker_events", "", 0)
        return [*ends, EntryId.parse(reply[0].decode())]

    async def read(
        self, after: dict[int, EntryId], most: int = ENTRIES, *, inclusive: bool = False
    ) -> dict[int, Slice]:
        """A slice of each of some streams, in one round trip.

        Args:
            after: The entry of each stream that was read last.
            most: Entries of each stream.
            inclusive: Whether those entries are read again.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        pending = {
            stream: self._broker.pending(self._call(stream, _from(place, inclusive), most))
            for stream, place in after.items()
            if stream != self.namespace_stream
        }
        out = {stream: await one for stream, one in pending.items()}
        place = after.get(self.namespace_stream)
        if place is not None:
            start = _from(place, inclusive)
            reply = await run_on(self._broker, self._workers, "worker_events", start, most)
            entries = [
                Entry(self.namespace_stream, EntryId.parse(i.decode()), worker_happenings(fields))
                for i, fields in reply[2:]
            ]
            out[self.namespace_stream] = Slice(entries, *_edges(reply))
        return out

    def _call(self, partition: int, start: str, most: int) -> Call[Slice]:
        def decode(reply: list[Any]) -> Slice:
            entries = [
                Entry(partition, EntryId.parse(i.decode()), happenings(fields, journal))
                for i, fields, journal in reply[2:]
            ]
            return Slice(entries, *_edges(reply))

        return Call(script("events"), partition, (start, most), decode)


def _from(place: EntryId, inclusive: bool) -> str:  # noqa: FBT001 - private
    return str(place) if inclusive else f"({place}"


def _edges(reply: list[Any]) -> tuple[EntryId, EntryId]:
    return EntryId.parse(reply[1].decode()), EntryId.parse(reply[0].decode())


class News(Wakeups):
    """Hears which partitions have more events; use as ``async with``.

    What was published while nobody was subscribed is made up for: after each subscription the
    partition is reported too.
    """

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker, "")
        self._heard: set[int] = set()
        self._more = asyncio.Event()

    async def wait(self, timeout_s: float) -> None:
        """Until something is heard, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._more.wait()
        except TimeoutError:
            return

    def take(self) -> Iterable[int]:
        """The partitions that were heard of since the last time."""
        heard, self._heard = self._heard, set()
        self._more.clear()
        return heard

    def _channels(self, partition: int) -> tuple[str, ...]:
        return (self._broker.keys[partition].news_channel,)

    def _message(self, channel: bytes, message: bytes) -> None:  # noqa: ARG002 - it says nothing more
        self._heard.add(self._by_channel[channel])
        self._more.set()

    def _subscribed(self, partition: int) -> None:
        self._heard.add(partition)
        self._more.set()


__all__ = ["BEGIN", "ENTRIES", "Entry", "EventLog", "News", "Slice"]
