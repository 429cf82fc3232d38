"""The API's own metrics, and the page that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from shoal.api.cluster import Overview
from shoal.model.priority import Priority
from shoal.telemetry.metrics import OTHER, TypeLabels, submitted_counter

__all__ = ["HttpMetrics", "page"]

#: Upper bounds of how long a request took, in seconds.
DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


class HttpMetrics:
    """Counts requests, by route and status; a route is the pattern, never the path that came.

    Args:
        directory: Where the processes that share the ports share their values
            (``metrics.place_values``); ``None`` = there is only this one.
        max_types: How many task types become labels; the rest count as ``other``.
    """

    def __init__(self, directory: str | None = None, max_types: int = 1000) -> None:
        self.registry = registry = CollectorRegistry()
        self.directory = directory
        self._submitted = submitted_counter(registry)
        self._type_label = TypeLabels(max_types)
        self._requests = Counter(
            "shoal_http_requests",
            "Requests answered, by method, route and status.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._duration = Histogram(
            "shoal_http_request_duration_seconds",
            "From the request's head to its answer, by method and route; long polls are left out.",
            ["method", "route"],
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.in_progress = Gauge(
            "shoal_http_submissions_in_progress",
            "Submissions that wait for Redis.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._accepted: dict[tuple[str, int], Counter] = {}
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def accepted(self, type: str, priority: int, number: int = 1) -> None:
        """Count accepted tasks."""
        counter = self._accepted.get((type, priority))
        if counter is None:
            label = self._type_label(type.encode())
            counter = self._submitted.labels(label, Priority(priority).name)
            if label != OTHER:
                self._accepted[type, priority] = counter
        counter.inc(number)

    def answered(self, method: str, route: str, status: int, took_s: float | None) -> None:
        """Count an answer; ``took_s`` ``None`` = it waited because it was asked to."""
        key = (method, route, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._requests.labels(method, route, str(status))
        counter.inc()
        if took_s is None:
            return
        histogram = self._histograms.get((method, route))
        if histogram is None:
            histogram = self._histograms[method, route] = self._duration.labels(method, route)
        histogram.observe(took_s)


class _OverviewCollector(Collector):
    """Gauges of the whole deployment; every API process gives the same."""

    def __init__(self, overview: Overview | None, warning_depth: float) -> None:
        self._overview = overview
        self._warning_depth = warning_depth

    def collect(self) -> Iterator[Metric]:
        """All of them, or only that Redis is away."""
        seen = self._overview
        yield GaugeMetricFamily(
            "shoal_redis_up", "1 when Redis answered this scrape.", value=float(seen is not None)
        )
        if seen is None:
            return
        yield GaugeMetricFamily("shoal_active_workers", "Workers that live.", value=seen.workers)
        depth = GaugeMetricFamily(
            "shoal_queue_depth",
            "Tasks that wait to be claimed, by queue and priority.",
            labels=["queue", "priority"],
        )
        oldest = GaugeMetricFamily(
            "shoal_oldest_task_age_seconds",
            "How long the oldest task that waits to be claimed has waited; 0 when none waits.",
            labels=["queue", "priority"],
        )
        nearly_full = GaugeMetricFamily(
            "shoal_queue_nearly_full",
            "1 when as many wait as SHOAL_QUEUE_WARNING says, by queue and priority.",
            labels=["queue", "priority"],
        )
        for row in seen.queues:
            labels = [row.queue, Priority(row.priority).name]
            is_nearly_full = row.ready + row.isolated >= self._warning_depth
            nearly_full.add_metric(labels, float(is_nearly_full))
            depth.add_metric(labels, row.ready + row.isolated)
            oldest.add_metric(labels, seen.oldest_s.get((row.queue, row.priority), 0.0))
        yield depth
        yield nearly_full
        yield oldest
        tasks = GaugeMetricFamily("shoal_tasks", "Tasks, by state.", labels=["state"])
        for state, number in seen.tasks.items():
            tasks.add_metric([state], number)
        yield tasks
        yield GaugeMetricFamily(
            "shoal_dlq_size", "Tasks in the dead letter queue.", value=seen.tasks.get("DEAD", 0)
        )


def page(
    http: HttpMetrics, overview: Overview | None, *, with_own: bool, warning_depth: float
) -> bytes:
    """The text for Prometheus.

    Args:
        http: Of this process.
        overview: Of the deployment; ``None`` = Redis is away.
        warning_depth: From how many tasks on a queue counts as nearly full.
        with_own: Whether what the API processes counted is in it.
    """
    cluster = CollectorRegistry()
    cluster.register(_OverviewCollector(overview, warning_depth))
    text: bytes = generate_latest(cluster)
    if not with_own:
        return text
    own = http.registry
    if http.directory is not None:
        own = CollectorRegistry()
        MultiProcessCollector(own, path=http.directory)  # type: ignore[no-untyped-call]
    return generate_latest(own) + text
