"""Every metric of Shoal, each defined once; in one process or over all processes of a host.

A host's shards write to files of one directory, named by *slot* and not by process id, so that a
restarted shard goes on where its predecessor stopped and restarts leave no files behind. The
exporter adds the files up. Gauges are of the living only: they go when their process does
(``forget_gauges``). Without a directory everything stays in the process.

Labels are bounded: a task type becomes a label value only through :class:`TypeLabels`.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import mark_process_dead

from shoal.model.priority import Priority

__all__ = [
    "DURATION_BUCKETS_S",
    "OTHER",
    "Metrics",
    "TypeLabels",
    "configure",
    "current",
    "forget_gauges",
    "place_values",
    "submitted_counter",
]

#: Upper bounds of how long a task's code ran, in seconds; the last bucket is open.
DURATION_BUCKETS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    900.0, 3600.0,
)  # fmt: skip
#: Upper bounds of how long a task that could run had to wait for a worker, in seconds.
PICKUP_BUCKETS_S = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.5,
    1.0,
    5.0,
    30.0,
    300.0,
    3600.0,
)
#: Upper bounds of how late the event loop was, in seconds.
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
#: Upper bounds of a call to Redis, in seconds; 0.005 is the budget of every operation.
CALL_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
#: Upper bounds of a flush of outcomes, in tasks.
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 256)
#: The label value of every type beyond the bound.
OTHER = "other"


class TypeLabels:
    """Turns task types into label values, at most ``limit`` of them, all others into ``other``.

    Whoever may submit may invent types; a metric's label must not grow with that.
    """

    __slots__ = ("_labels", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._labels: dict[bytes, str] = {}

    def __call__(self, task_type: bytes) -> str:
        """The label value of this type."""
        label = self._labels.get(task_type)
        if label is None:
            if len(self._labels) >= self._limit:
                return OTHER
            label = self._labels[task_type] = task_type.decode("utf-8", "replace")
        return label


def submitted_counter(registry: CollectorRegistry) -> Counter:
    """Accepted tasks; shards count those of their handlers, API processes those of clients."""
    return Counter(
        "shoal_tasks_submitted",
        "Tasks accepted from this process, by type and priority.",
        ["type", "priority"],
        registry=registry,
    )


def redis_calls_histogram(registry: CollectorRegistry) -> Histogram:
    """Calls of scripts; shards and API processes observe their own."""
    return Histogram(
        "shoal_redis_call_seconds",
        "From a script's call to its reply, as the process's event loop saw it, by verb.",
        ["verb"],
        buckets=CALL_BUCKETS_S,
        registry=registry,
    )


class Metrics:
    """The metrics of one process. Ask :func:`current` for it; keep the children of ``labels``."""

    def __init__(self, registry: CollectorRegistry, max_types: int) -> None:
        """Define all metrics in ``registry``; :func:`configure` decides first where values live."""
        self.registry = registry
        self.type_label = TypeLabels(max_types)
        self.submitted = submitted_counter(registry)
        self.completed = Counter(
            "shoal_tasks_completed",
            "Tasks whose run ended, by type and by the state they went to.",
            ["type", "status"],
            registry=registry,
        )
        self.duration = Histogram(
            "shoal_task_duration_seconds",
            "How long a task's code ran, by type, whatever its outcome.",
            ["type"],
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.retries = Counter(
            "shoal_task_retries",
            "Failed attempts that will be repeated by the retry policy, by type.",
            ["type"],
            registry=registry,
        )
        self.pickup = Histogram(
            "shoal_task_pickup_seconds",
            "How long the first task that a claim brought had been ready, by priority; one for each claim.",
            ["priority"],
            buckets=PICKUP_BUCKETS_S,
            registry=registry,
        )
        #: The same by the priority's number, for the hot path.
        self.pickups = tuple(self.pickup.labels(p.name) for p in sorted(Priority))
        self.redis_calls = redis_calls_histogram(registry)
        self.claims = Counter(
            "shoal_claims",
            "Claim calls answered, by whether they brought tasks (found, empty).",
            ["result"],
            registry=registry,
        )
        self.claimed = Counter(
            "shoal_tasks_claimed", "Tasks that claims brought.", registry=registry
        )
        self.flush_size = Histogram(
            "shoal_settle_batch_tasks",
            "Outcomes recorded by one call.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self.refused = Counter(
            "shoal_outcomes_refused",
            "Outcomes the broker refused, by its answer (already, gone, stale).",
            ["reason"],
            registry=registry,
        )
        self.leases_lost = Counter(
            "shoal_leases_lost",
            "Running tasks that another worker had taken over meanwhile.",
            registry=registry,
        )
        self.recovered = Counter(
            "shoal_tasks_recovered",
            "Tasks handed back because their worker had been silent for longer than its lease.",
            registry=registry,
        )
        self.broker_unavailable = Counter(
            "shoal_broker_unavailable",
            "Calls that Redis did not answer or could not serve, by verb.",
            ["verb"],
            registry=registry,
        )
        self.notices = Counter(
            "shoal_dependency_notices",
            "Notices of dependencies that were delivered, by kind (watch, finished).",
            ["kind"],
            registry=registry,
        )
        self.outbox_age = Gauge(
            "shoal_outbox_age_seconds",
            "Age of the oldest notice of a dependency that waits to be delivered, as this host's shards see it.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.redis_latency = Gauge(
            "shoal_redis_latency_seconds",
            "Round trip of the last PING, the slowest of this host's shards.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.throttled = Gauge(
            "shoal_throttled",
            "How many of this host's shards are throttled now, by reason (latency, memory, cpu).",
            ["why"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.loop_lag = Histogram(
            "shoal_event_loop_lag_seconds",
            "How late the event loop of a shard was, looked at four times a second.",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )
        self.loop_blocked = Gauge(
            "shoal_event_loop_blocked_seconds",
            "For how long an event loop has not turned; 0 below one second, the longest of this host's shards.",
            multiprocess_mode="livemax",
            registry=registry,
        )


class _State:
    """Where this process's metrics are; one per process, for the library's registry is too."""

    metrics: Metrics | None = None


def configure(
    directory: str | os.PathLike[str] | None, slot: str | int = 0, *, max_types: int = 1000
) -> Metrics:
    """Decide where this process's metrics live, and define them; once a process, before user code.

    Args:
        directory: Where the host's processes share their values; None = in this process only.
        slot: What names this process's files; of the processes that live at once, each has its own.
        max_types: How many task types become labels; the rest count as ``other``.
    """
    place_values(directory, slot)
    _State.metrics = Metrics(CollectorRegistry(), max_types)
    return _State.metrics


def place_values(directory: str | os.PathLike[str] | None, slot: str | int = 0) -> None:
    """Decide where the values of metrics live that are made from now on; see ``configure``."""
    if directory is None:
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        values.ValueClass = values.MutexValue
    else:
        # The library reads the directory from the environment whenever it opens a file, and takes
        # the class of values from this attribute whenever a metric is made: whatever user code
        # defines later lands in the same place.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.fspath(directory)
        identity = str(slot)
        # Counters go on where the last process of this name stopped; its gauges are not about this one.
        forget_gauges(directory, identity)
        multiprocess = values.MultiProcessValue(process_identifier=lambda: identity)  # type: ignore[no-untyped-call]
        values.ValueClass = multiprocess


def forget_gauges(directory: str | os.PathLike[str], slot: str | int) -> None:
    """Remove the gauges that the last process of this name left, which is known to be dead."""
    mark_process_dead(str(slot), os.fspath(directory))  # type: ignore[no-untyped-call]


def current() -> Metrics:
    """This process's metrics; in the process only, if nobody configured them."""
    return _State.metrics or configure(None)
