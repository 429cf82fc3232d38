"""Metrics of the whole deployment, read from Redis at each scrape.

Every API process gives the same, so over several of them the maximum is meant and never the sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.api.cluster import Scrape
from shoal.model.priority import Priority
from shoal.model.worker import WorkerState
from shoal.settings.task import LimitSettings
from shoal.telemetry.metrics import OTHER

__all__ = ["RECORDED", "ClusterCollector"]

#: What is counted by type in the script that does it; see docs/keyspace.md, *Fields of stats*.
RECORDED = (
    "submitted",
    "completed",
    "retried",
    "deferred",
    "dead",
    "cancelled",
    "interrupted",
    "crashed",
    "isolated",
    "requeued",
)


class ClusterCollector(Collector):
    """What Redis holds, and what it counted.

    Args:
        scrape: What was read; ``None`` = Redis is away.
        limits: Of queues and types.
    """

    def __init__(self, scrape: Scrape | None, limits: LimitSettings) -> None:
        self._scrape = scrape
        self._limits = limits

    def collect(self) -> Iterator[Metric]:
        """All of them, or only that Redis is away."""
        scrape = self._scrape
        yield GaugeMetricFamily(
            "shoal_redis_up", "1 when Redis answered this scrape.", value=float(scrape is not None)
        )
        if scrape is None:
            return
        yield from self._queues(scrape)
        yield from self._tasks(scrape)
        yield from self._workers(scrape)
        yield from self._servers(scrape)

    def _queues(self, scrape: Scrape) -> Iterator[Metric]:
        seen = scrape.overview
        label = ["queue", "priority"]
        depth = GaugeMetricFamily(
            "shoal_queue_depth",
            "Tasks that wait to be claimed, by queue and priority.",
            labels=label,
        )
        capacity = GaugeMetricFamily(
            "shoal_queue_capacity",
            "How many may wait (MAX_QUEUE_SIZE); submissions beyond are refused.",
            labels=label,
        )
        nearly_full = GaugeMetricFamily(
            "shoal_queue_nearly_full",
            "1 when as many wait as SHOAL_QUEUE_WARNING says, by queue and priority.",
            labels=label,
        )
        paused = GaugeMetricFamily(
            "shoal_queue_paused", "1 while nothing is claimed from it, as wished.", labels=label
        )
        oldest = GaugeMetricFamily(
            "shoal_oldest_task_age_seconds",
            "How long the oldest task that waits to be claimed has waited; 0 when none waits.",
            labels=label,
        )
        settled = CounterMetricFamily(
            "shoal_runs_settled",
            "Runs whose outcome was recorded, by queue and priority.",
            labels=label,
        )
        for row in seen.queues:
            labels = [row.queue, Priority(row.priority).name]
            waiting = row.ready + row.isolated
            depth.add_metric(labels, waiting)
            capacity.add_metric(labels, self._limits.max_queue_size)
            nearly_full.add_metric(labels, float(waiting >= self._limits.warning_depth))
            paused.add_metric(labels, float(row.paused))
            oldest.add_metric(labels, seen.oldest_s.get((row.queue, row.priority), 0.0))
            settled.add_metric(labels, seen.settled.get((row.queue, row.priority), 0))
        yield from (depth, capacity, nearly_full, paused, oldest, settled)

    def _tasks(self, scrape: Scrape) -> Iterator[Metric]:
        seen = scrape.overview
        tasks = GaugeMetricFamily("shoal_tasks", "Tasks, by state.", labels=["state"])
        for state, number in seen.tasks.items():
            tasks.add_metric([state], number)
        yield tasks
        yield GaugeMetricFamily(
            "shoal_dlq_size", "Tasks in the dead letter queue.", value=seen.tasks.get("DEAD", 0)
        )
        yield GaugeMetricFamily(
            "shoal_scheduled_overdue_seconds",
            "For how long the task that was due first is due and not ready yet; 0 when none is.",
            value=scrape.overdue_s,
        )
        recorded = CounterMetricFamily(
            "shoal_tasks_recorded",
            "What befell tasks, counted by Redis in the step that did it, by type: exact, over all "
            "hosts, restarts and crashes. " + ", ".join(RECORDED) + ".",
            labels=["event", "type"],
        )
        for (event, name), number in self._recorded(scrape.stats).items():
            recorded.add_metric([event, name], number)
        yield recorded
        yield CounterMetricFamily(
            "shoal_dlq_added",
            "Tasks that went to the dead letter queue.",
            value=sum(n for field, n in scrape.stats.items() if field.startswith("dead:")),
        )

    def _recorded(self, stats: Mapping[str, int]) -> Mapping[tuple[str, str], int]:
        counted: dict[str, dict[str, int]] = {}
        for field, number in stats.items():
            event, colon, name = field.partition(":")
            if colon and event in RECORDED:
                counted.setdefault(name, {})[event] = number
        out: Counter[tuple[str, str]] = Counter()
        for place, (name, events) in enumerate(sorted(counted.items())):
            label = name if place < self._limits.max_types else OTHER
            for event in RECORDED:
                out[event, label] += events.get(event, 0)
        return out

    @staticmethod
    def _workers(scrape: Scrape) -> Iterator[Metric]:
        records = scrape.workers
        yield GaugeMetricFamily("shoal_active_workers", "Workers that live.", value=len(records))
        workers = GaugeMetricFamily(
            "shoal_workers", "Workers that live, by state.", labels=["state"]
        )
        states = Counter(record.state for record in records)
        for state in WorkerState:
            workers.add_metric([state.value], states[state])
        yield workers
        slots = GaugeMetricFamily(
            "shoal_worker_slots",
            "Tasks that the living workers may run at once: busy and free.",
            labels=["state"],
        )
        busy = sum(record.current_tasks for record in records)
        slots.add_metric(["busy"], busy)
        slots.add_metric(["free"], max(0, sum(record.concurrency for record in records) - busy))
        yield slots
        yield GaugeMetricFamily(
            "shoal_workers_memory_bytes",
            "Resident memory of the living workers, added up.",
            value=sum(record.memory_bytes for record in records),
        )

    @staticmethod
    def _servers(scrape: Scrape) -> Iterator[Metric]:
        label = ["server"]
        memory = GaugeMetricFamily(
            "shoal_redis_memory_bytes", "Memory that the server uses.", labels=label
        )
        limit = GaugeMetricFamily(
            "shoal_redis_memory_limit_bytes",
            "Its maxmemory, or where there is none the memory of its machine.",
            labels=label,
        )
        evicts = GaugeMetricFamily(
            "shoal_redis_evicts",
            "1 when its maxmemory-policy lets it forget tasks; it must be noeviction.",
            labels=label,
        )
        durable = GaugeMetricFamily(
            "shoal_redis_durable",
            "1 when it has appendonly on; else a restart loses tasks.",
            labels=label,
        )
        for server in scrape.servers:
            memory.add_metric([server.address], server.memory)
            limit.add_metric([server.address], server.memory_limit)
            evicts.add_metric([server.address], float(server.evicts))
            durable.add_metric([server.address], float(server.is_durable))
        yield from (memory, limit, evicts, durable)
