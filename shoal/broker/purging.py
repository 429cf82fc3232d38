"""Purging a queue: what waits in it is cancelled, slice by slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from shoal.broker import operator_calls
from shoal.broker.keys import stream_name
from shoal.errors import InvalidOperation

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

#: The reason that purged tasks bear.
PURGED = "purged"


class _Place(msgspec.Struct):
    """How far the purge of one stream is; ``last`` is '' before its first slice."""

    partition: int
    stream: str
    last: str = ""
    after: str = ""
    is_done: bool = False


class Purge:
    """Cancels what is PENDING in a queue, at one priority or all; never what runs.

    What comes into a stream after its first slice stays. It may be cut off at any time and gone on
    with from its ``cursor``, or begun anew: what was purged is gone.
    """

    def __init__(self, broker: Broker, places: list[_Place], purged: int = 0) -> None:
        self._broker = broker
        self._places = places
        #: How many tasks were cancelled so far.
        self.purged = purged

    @classmethod
    async def begin(
        cls, broker: Broker, queue: str | None = None, priority: int | None = None
    ) -> Self:
        """A purge of one queue (``None`` = all) at one priority number (``None`` = all).

        Raises:
            BrokerUnavailable: Redis is away; nothing was done.
        """
        priorities = (3, 2, 1, 0) if priority is None else (priority,)
        queues = (
            [queue] if queue is not None else sorted({row.queue for row in await broker.queues()})
        )
        return cls(
            broker,
            [
                _Place(partition, stream_name(name, number, isolated=isolated))
                for name in queues
                for number in priorities
                for isolated in (False, True)
                for partition in range(broker.partitions)
            ],
        )

    @classmethod
    def resume(cls, broker: Broker, cursor: str) -> Self:
        """Go on where another purge's ``cursor`` stood.

        Raises:
            InvalidOperation: This is no cursor.
        """
        try:
            purged, places = msgspec.json.decode(cursor, type=tuple[int, list[_Place]])
        except msgspec.MsgspecError:
            raise InvalidOperation("this is no cursor of a purge") from None
        if any(place.partition >= broker.partitions for place in places):
            raise InvalidOperation("this cursor is of another namespace")
        return cls(broker, places, purged)

    @property
    def cursor(self) -> str:
        """Where it stands, as text; what is done is left out."""
        left = [place for place in self._places if not place.is_done]
        return msgspec.json.encode((self.purged, left)).decode()

    @property
    def is_done(self) -> bool:
        """Whether all was looked at."""
        return all(place.is_done for place in self._places)

    async def step(self) -> int:
        """One slice of each stream that is not done; returns how many tasks were cancelled by it."""
        before = self.purged
        for place in self._places:
            if place.is_done:
                continue
            call = operator_calls.purge(
                place.partition, place.stream, PURGED, place.last, place.after
            )
            done = await self._broker.run(call)
            self.purged += done.purged
            place.last, place.after, place.is_done = done.last, done.after, not done.after
        return self.purged - before

    async def run(self) -> int:
        """All that is left; returns how many tasks were cancelled since it began."""
        while not self.is_done:
            await self.step()
        return self.purged
