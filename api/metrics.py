"""The API's own metrics, and the page that Prometheus reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from shoal.api.cluster import Scrape
from shoal.api.cluster_metrics import ClusterCollector
from shoal.api.limits import Occupancy
from shoal.clock import wall_ms
from shoal.model.priority import Priority
from shoal.settings.task import LimitSettings
from shoal.telemetry.build import BuildCollector
from shoal.telemetry.call_times import CallTimes
from shoal.telemetry.metrics import (
    OTHER,
    TypeLabels,
    redis_calls_histogram,
    submitted_counter,
)

__all__ = ["HttpMetrics", "page"]

#: Upper bounds of how long a request took, in seconds.
DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


#: Upper bounds of how old an event was when it was sent, in seconds.
DELIVERY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 5.0)
#: How often what was gathered is handed over, in seconds.
FLUSH_S = 1.0


class LiveMetrics:
    """What clients of the WebSocket and of the event stream get, and do not get."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.clients = Gauge(
            "shoal_ws_clients",
            "Clients that are connected to the WebSocket or to the event stream.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._dropped = Counter(
            "shoal_ws_dropped",
            "Events that a client was too slow for, by kind of topic.",
            ["topic"],
            registry=registry,
        )
        self._delivery = Histogram(
            "shoal_ws_delivery_seconds",
            "How old the newest event of a WebSocket frame was when the frame was sent.",
            buckets=DELIVERY_BUCKETS_S,
            registry=registry,
        )
        self.gaps = Counter(
            "shoal_events_gap",
            "Times that a client was told that it has missed events which are not kept any more.",
            registry=registry,
        )
        self._dropped.labels("feed")

    def dropped(self, topic: str, number: int) -> None:
        """A client is not sent so many events of a topic."""
        self._dropped.labels(topic.partition(":")[0]).inc(number)

    def sent(self, newest_ms: int) -> None:
        """A frame went out whose newest event is of this time, Unix ms."""
        self._delivery.observe(max(0, wall_ms() - newest_ms) / 1000)


class HttpMetrics:
    """Counts requests, by route and status; a route is the pattern, never the path that came.

    Args:
        directory: Where the processes that share the ports share their values
            (``metrics.place_values``); ``None`` = there is only this one.
        max_types: How many task types become labels; the rest count as ``other``.
        types: Shown at 0 from the start, so that the first submission of each is an increase.
    """

    def __init__(
        self, directory: str | None = None, max_types: int = 1000, types: Iterable[str] = ()
    ) -> None:
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
        self.live = LiveMetrics(registry)
        self._calls = CallTimes(redis_calls_histogram(registry))
        #: For :attr:`shoal.broker.broker.Broker.answered`.
        self.call_answered = self._calls.answered
        self._reloads = Counter(
            "shoal_config_reloads",
            "Reloads of an API process by what came of them: done; refused, nothing was changed.",
            ["outcome"],
            registry=registry,
        )
        self._reload_successful = Gauge(
            "shoal_config_last_reload_successful",
            "1 when the last reload was done, or there was none, in every API process of the host.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self._reload_at = Gauge(
            "shoal_config_last_reload_success_timestamp_seconds",
            "When the settings that hold were read, in Unix seconds; of the API processes, the earliest.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        for outcome in ("done", "refused"):
            self._reloads.labels(outcome)
        self._reload_successful.set(1)
        self._reload_at.set(wall_ms() / 1000)
        self._accepted: dict[tuple[str, int], Counter] = {}
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

        for name in types:
            for priority in Priority:
                self.accepted(name, priority, 0)

    async def keep(self, occupancy: Occupancy) -> None:
        """Hand over what was gathered, again and again, until cancelled."""
        while True:
            self.in_progress.set(occupancy.requests)
            self.flush()
            await asyncio.sleep(FLUSH_S)

    def flush(self) -> None:
        """Hand over what was gathered."""
        self._calls.flush()

    def reloaded(self, *, done: bool) -> None:
        """The settings were read again; whether they were taken over."""
        self._reloads.labels("done" if done else "refused").inc()
        self._reload_successful.set(done)
        if done:
            self._reload_at.set(wall_ms() / 1000)

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


def page(
    http: HttpMetrics, scrape: Scrape | None, *, with_own: bool, limits: LimitSettings
) -> bytes:
    """The text for Prometheus.

    Args:
        http: Of this process.
        scrape: Of the deployment; ``None`` = Redis is away.
        limits: Of queues and types.
        with_own: Whether what the API processes counted is in it.
    """
    cluster = CollectorRegistry()
    cluster.register(ClusterCollector(scrape, limits))
    cluster.register(BuildCollector())
    text: bytes = generate_latest(cluster)
    if not with_own:
        return text
    http.flush()
    own = http.registry
    if http.directory is not None:
        own = CollectorRegistry()
        MultiProcessCollector(own, path=http.directory)  # type: ignore[no-untyped-call]
    return generate_latest(own) + text
