"""What the topics show of the whole deployment: read from the counters, for all clients together."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.broker.broker import Broker
from shoal.broker.results import QueueDepth
from shoal.model.priority import Priority
from shoal.model.transitions import State
from shoal.model.worker import WorkerRecord

#: What `totals` and `rates` have.
TOTALS = (
    "submitted",
    "completed",
    "retried",
    "dead",
    "cancelled",
    "interrupted",
    "requeued",
    "settled",
)
#: Over how long rates are taken, in seconds.
RATE_S = 5.0
_HIGH = 0.8
#: Counters of a type that end a run.
_SETTLING = ("completed", "retried", "dead")


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one moment, summed over all partitions."""

    tasks: dict[str, int]
    totals: dict[str, int]
    #: By stream, as ``<queue>:<priority>``.
    submitted: dict[str, int]
    settled: dict[str, int]
    queues: list[QueueDepth]
    #: By task type: tasks by state, and how many runs were ``settled``, and how many of them ``failed``.
    types: dict[str, dict[str, int]]


async def read_counters(broker: Broker) -> Reading:
    """One round trip to every partition.

    Raises:
        BrokerUnavailable: Redis is away.
    """
    raw = await broker.counters()
    tasks = dict.fromkeys((state.value for state in State), 0)
    totals = dict.fromkeys(TOTALS, 0)
    streams: dict[str, Counter[str]] = {"submitted": Counter(), "settled": Counter()}
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for part in raw:
        for state in tasks:
            tasks[state] += int(part.counts.get(state, 0))
        for field, value in part.counts.items():
            state, _, of_type = field.partition(":")
            if of_type and int(value):
                types[of_type][state] += int(value)
        for field, value in part.stats.items():
            name, slash, stream = field.partition("/")
            if slash:
                if name in streams:
                    streams[name][":".join(stream.split(":")[:2])] += int(value)
                continue
            name, _, of_type = field.partition(":")
            if name in totals and of_type:
                totals[name] += int(value)
                if name in _SETTLING:
                    types[of_type]["settled"] += int(value)
                    types[of_type]["failed"] += int(value) * (name != "completed")
    submitted, settled = streams["submitted"], streams["settled"]
    totals["settled"] = sum(settled.values())
    return Reading(
        tasks,
        totals,
        dict(submitted),
        dict(settled),
        broker.depths_of(raw),
        {name: dict(sorted(row.items())) for name, row in sorted(types.items())},
    )


class Rates:
    """Rates over the last seconds, from readings."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque()

    def add(self, now_s: float, totals: Mapping[str, int]) -> dict[str, float]:
        """Note a reading; how much each rose a second.

        Args:
            now_s: Monotonic time.
            totals: Counters that only rise.
        """
        samples = self._samples
        if not samples or now_s - samples[-1][0] >= RATE_S / 20:
            samples.append((now_s, totals))
        while len(samples) > 1 and samples[1][0] <= now_s - RATE_S:
            samples.popleft()
        began_s, before = samples[0]
        seconds = now_s - began_s
        if seconds <= 0:
            return dict.fromkeys(totals, 0.0)
        return {
            # After a failover a counter may be lower than before: that is no negative rate.
            name: round(max(0, value - before.get(name, 0)) / seconds, 1)
            for name, value in totals.items()
        }


def overview_of(
    reading: Reading,
    rates: Mapping[str, float],
    workers: list[WorkerRecord],
    oldest_s: Mapping[tuple[str, int], float],
) -> dict[str, Any]:
    """The topic ``overview``."""
    depth = {priority.name: 0 for priority in Priority}
    oldest = {priority.name: 0.0 for priority in Priority}
    for row in reading.queues:
        name = Priority(row.priority).name
        depth[name] += row.ready + row.isolated
        age = round(oldest_s.get((row.queue, row.priority), 0.0), 1)
        oldest[name] = max(oldest[name], age)
    slots = sum(worker.concurrency for worker in workers)
    return {
        "tasks": reading.tasks,
        "totals": reading.totals,
        "rates": dict(rates),
        "depth": depth,
        "oldest_age": oldest,
        "workers": {
            "live": len(workers),
            "busy": sum(worker.current_tasks > 0 for worker in workers),
            "slots": slots,
            "used": sum(worker.current_tasks for worker in workers),
            "utilisation": round(sum(worker.utilisation for worker in workers) / len(workers), 4)
            if workers
            else 0.0,
        },
    }


def queues_of(
    reading: Reading,
    rates: Mapping[str, float],
    oldest_s: Mapping[tuple[str, int], float],
    max_depth: int,
) -> dict[str, Any]:
    """The topic ``queues``.

    Args:
        reading: The counters.
        rates: Settled runs a second by stream.
        oldest_s: Seconds by queue and priority.
        max_depth: ``MAX_QUEUE_SIZE``.
    """
    rows: dict[str, Any] = {}
    for row in reading.queues:
        depth = row.ready + row.isolated
        priority = Priority(row.priority).name
        rows[f"{row.queue}:{priority}"] = {
            "queue": row.queue,
            "priority": priority,
            "depth": depth,
            "returned": row.returned,
            "isolated": row.isolated,
            "paused": row.paused,
            "submitted": reading.submitted.get(f"{row.queue}:{row.priority}", 0),
            "settled": reading.settled.get(f"{row.queue}:{row.priority}", 0),
            "throughput": rates.get(f"{row.queue}:{row.priority}", 0.0),
            "oldest_age": round(oldest_s.get((row.queue, row.priority), 0.0), 1),
            "level": level_of(depth, max_depth),
        }
    return rows


def level_of(depth: int, max_depth: int) -> str:
    """``ok``, ``high`` or ``full``."""
    if depth >= max_depth:
        return "full"
    return "high" if depth >= max_depth * _HIGH else "ok"


__all__ = [
    "RATE_S",
    "TOTALS",
    "Rates",
    "Reading",
    "level_of",
    "overview_of",
    "queues_of",
    "read_counters",
]
