"""What the topics show of the whole deployment: read from the counters, for all clients together."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from shoal.broker.reading import Reading
from shoal.model.priority import Priority
from shoal.model.worker import WorkerRecord
from shoal.settings.task import LimitSettings

#: Over how long rates are taken, in seconds.
RATE_S = 5.0


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
    limit: LimitSettings,
) -> dict[str, Any]:
    """The topic ``queues``.

    Args:
        reading: The counters.
        rates: Settled runs a second by stream.
        oldest_s: Seconds by queue and priority.
        limit: MAX_QUEUE_SIZE and SHOAL_QUEUE_WARNING.
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
            "level": limit.level_of(depth),
        }
    return rows


__all__ = [
    "RATE_S",
    "Rates",
    "overview_of",
    "queues_of",
]
