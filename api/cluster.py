"""What the whole deployment looks like: read from Redis, at most once in a while."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shoal import __version__
from shoal.api.gateway import Gateway
from shoal.api.workflows import Node, recent
from shoal.broker.results import QueueDepth
from shoal.broker.server_info import ServerInfo, read_servers
from shoal.clock import mono_s, wall_ms
from shoal.errors import BrokerUnavailable
from shoal.model.priority import Priority
from shoal.model.task import format_time, from_unix_ms
from shoal.model.transitions import State
from shoal.model.worker import WorkerRecord

T = TypeVar("T")

#: Whoever asks within this time gets the same answer, in seconds: some of these addresses are open.
FRESH_S = 0.5
#: The same for what all open dashboards look at, each as often as it likes.
SNAPSHOT_S = 0.9


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


@dataclass(frozen=True, slots=True)
class Scrape:
    """What Prometheus is told of the whole deployment."""

    overview: Overview
    #: Counters that only rise, as :meth:`shoal.broker.broker.Broker.stats` has them.
    stats: dict[str, int]
    workers: list[WorkerRecord]
    servers: list[ServerInfo]
    #: For how long the task that was due first is due and not ready yet, in seconds.
    overdue_s: float


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of Redis answers."""

    #: Workers that live; ``None`` = the server that knows is away, and others are not.
    workers: int | None
    #: Partitions whose tasks can't be reached now.
    partitions_away: int


class ClusterReader:
    """Reads what concerns everybody.

    Args:
        gateway: To Redis.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.workers = Shared(self._read_workers)
        self.reach = Shared(self._read_reach)
        self.overview = Shared(self._read_overview)
        self.scrape = Shared(self._read_scrape)
        #: What the dashboard shows first, as it goes over the wire but for who asks.
        self.snapshot = Shared(self._read_snapshot, SNAPSHOT_S)
        #: The newest tasks that depend on others, for the pages of workflows.
        self.workflows = Shared(self._read_workflows, SNAPSHOT_S)

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await self.reach.aclose()
        await self.workers.aclose()
        await self.overview.aclose()
        await self.scrape.aclose()
        await self.snapshot.aclose()
        await self.workflows.aclose()

    async def _read_workers(self) -> int:
        """How many workers live; raises ``BrokerUnavailable`` when Redis is away."""
        return len(await self._gateway.connection.registry.live_names())

    async def _read_reach(self) -> Reach:
        """Raises ``BrokerUnavailable`` when no partition can be reached."""
        broker = self._gateway.connection.broker
        if not broker.topology.cluster:
            return Reach(await self.workers.get(), 0)
        away = len(await broker.away())
        try:
            return Reach(await self.workers.get(), away)
        except BrokerUnavailable:
            if away == broker.partitions:
                raise
            return Reach(None, away)

    async def _read_workflows(self) -> dict[str, Node]:
        return await recent(self._gateway.connection.broker)

    async def _read_snapshot(self) -> dict[str, Any]:
        connection = self._gateway.connection
        broker = connection.broker
        workers, queues, counts, stats, oldest_s = await asyncio.gather(
            connection.registry.live(),
            broker.queues(),
            broker.counts(),
            broker.stats(),
            broker.oldest(),
        )
        states = dict.fromkeys((state.value for state in State), 0)
        for (state, _), number in counts.items():
            states[state] += number
        return {
            "now": format_time(from_unix_ms(wall_ms())),
            "version": __version__,
            "namespace": broker.settings.namespace,
            "partitions": broker.partitions,
            "states": states,
            "types": _by_type(counts),
            "stats": stats,
            "queues": [
                {
                    "queue": row.queue,
                    "priority": Priority(row.priority).name,
                    "depth": row.ready + row.isolated,
                    "returned": row.returned,
                    "isolated": row.isolated,
                    "paused": row.paused,
                    "submitted": stats.get(f"submitted/{row.queue}:{row.priority}", 0),
                    "settled": stats.get(f"settled/{row.queue}:{row.priority}", 0),
                    "oldest_age": oldest_s.get((row.queue, row.priority), 0.0),
                }
                for row in queues
            ],
            "workers": [record.to_json() for record in workers],
        }

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
        return Overview(workers, queues, tasks, _settled(stats), oldest_s)

    async def _read_scrape(self) -> Scrape:
        connection = self._gateway.connection
        broker = connection.broker
        workers, queues, tasks, stats, waiting, servers = await asyncio.gather(
            connection.registry.live(),
            broker.queues(),
            broker.counts_by_state(),
            broker.stats(),
            broker.waiting(),
            read_servers(broker),
        )
        overview = Overview(len(workers), queues, tasks, _settled(stats), waiting.oldest_s)
        return Scrape(overview, stats, workers, servers, waiting.overdue_s)


def _settled(stats: Mapping[str, int]) -> dict[tuple[str, int], int]:
    settled: Counter[tuple[str, int]] = Counter()
    for field, value in stats.items():
        kind, _, stream = field.partition("/")
        if kind == "settled":
            queue, priority = stream.split(":")[:2]
            settled[queue, int(priority)] += value
    return dict(settled)


def _by_type(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Numbers by state of each type; rows that sum up all types have none."""
    found: dict[str, dict[str, int]] = {}
    for (state, name), number in sorted(counts.items()):
        if name:
            found.setdefault(name, {})[state] = number
    return found
