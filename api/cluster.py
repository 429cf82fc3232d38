"""What the whole deployment looks like: read from Redis, at most once in a while."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shoal.api.gateway import Gateway
from shoal.broker.results import QueueDepth
from shoal.clock import mono_s

T = TypeVar("T")

#: Whoever asks within this time gets the same answer, in seconds: some of these addresses are open.
FRESH_S = 0.5


class Shared(Generic[T]):
    """One reading for all who ask at about the same time.

    Args:
        read: Reads; what it raises is told to all who wait.
        fresh_s: How long a reading is good for, in seconds.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], fresh_s: float = FRESH_S) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._reading: asyncio.Future[T] | None = None
        self._done_s = 0.0

    async def get(self) -> T:
        """The reading, at most ``fresh_s`` old."""
        reading = self._reading
        if reading is None or (reading.done() and mono_s() - self._done_s > self._fresh_s):
            reading = self._reading = asyncio.ensure_future(self._run())
            # Whoever asked may be gone before an error comes.
            reading.add_done_callback(_seen)
        return await asyncio.shield(reading)

    async def aclose(self) -> None:
        """Wait for a reading that is under way."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def _run(self) -> T:
        try:
            return await self._read()
        finally:
            self._done_s = mono_s()


def _seen(reading: asyncio.Future[T]) -> None:
    if not reading.cancelled():
        reading.exception()


@dataclass(frozen=True, slots=True)
class Overview:
    """Numbers over all partitions."""

    workers: int
    queues: list[QueueDepth]
    #: Every state by its name.
    tasks: dict[str, int]
    #: Settled runs since ever, by (queue, priority number).
    settled: dict[tuple[str, int], int]
    #: How long the oldest task that waits to be claimed has waited, in seconds; only where one waits.
    oldest_s: dict[tuple[str, int], float]


class ClusterReader:
    """Reads what concerns everybody.

    Args:
        gateway: To Redis.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.workers = Shared(self._read_workers)
        self.overview = Shared(self._read_overview)

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await self.workers.aclose()
        await self.overview.aclose()

    async def _read_workers(self) -> int:
        """How many workers live; raises ``BrokerUnavailable`` when Redis is away."""
        return len(await self._gateway.connection.registry.live_names())

    async def _read_overview(self) -> Overview:
        connection = self._gateway.connection
        broker = connection.broker
        workers, queues, tasks, stats, oldest_s = await asyncio.gather(
            self.workers.get(),
            broker.queues(),
            broker.counts_by_state(),
            broker.stats(),
            broker.oldest(),
        )
        settled: Counter[tuple[str, int]] = Counter()
        for field, value in stats.items():
            kind, _, stream = field.partition("/")
            if kind == "settled":
                queue, priority = stream.split(":")[:2]
                settled[queue, int(priority)] += value
        return Overview(workers, queues, tasks, dict(settled), oldest_s)
