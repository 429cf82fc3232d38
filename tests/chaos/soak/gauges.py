"""Memory, descriptors, threads and consumers while the soak runs, and whether they grow."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import redis

from tests.support.servers import RedisServer

MIB = 1024 * 1024
#: Samples of a process younger than this say nothing: it is still taking its first memory.
WARM_S = 15.0


@dataclass
class Gauges:
    """Samples of each process by its age, and of Redis by the time.

    Processes are young again after each kill, so growth is looked for within each of them.
    """

    #: By process and gauge: (age in s, value).
    processes: dict[tuple[int, str], list[tuple[float, float]]] = field(default_factory=dict)
    #: (time in s, consumers of the group that has most).
    consumers: list[tuple[float, float]] = field(default_factory=list)

    def sample(self, pids: Sequence[int], server: RedisServer) -> None:
        """Look once; a process or server that is away is left out."""
        now = time.time()
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                with process.oneshot():
                    age = now - process.create_time()
                    values = {
                        "memory MiB": process.memory_info().rss / MIB,
                        "descriptors": process.num_fds(),
                        "threads": process.num_threads(),
                    }
                for name, value in values.items():
                    self.processes.setdefault((pid, name), []).append((age, value))
        with contextlib.suppress(redis.RedisError, OSError):
            self.consumers.append((now, float(_consumers(server))))

    def most_consumers(self) -> float:
        """The most that one group ever had."""
        return max((value for _, value in self.consumers), default=0.0)

    def lines(self) -> list[str]:
        """For people: the highest value and the slope per hour of each gauge."""
        found = []
        for name in ("memory MiB", "descriptors", "threads"):
            runs = [samples for (_, gauge), samples in self.processes.items() if gauge == name]
            highest = max((value for samples in runs for _, value in samples), default=0.0)
            found.append(f"{name}: highest {highest:.0f}, {_slope_text(runs)}")
        highest = self.most_consumers()
        found.append(
            f"consumers of a group: highest {highest:.0f}, {_slope_text([self.consumers])}"
        )
        return found


def slope_per_hour(samples: Sequence[tuple[float, float]]) -> float | None:
    """The slope of a line through samples (s, value), an hour; ``None``: too few to say."""
    if len(samples) < 10 or samples[-1][0] - samples[0][0] < WARM_S:
        return None
    times, values = zip(*samples, strict=True)
    return statistics.linear_regression(times, values).slope * 3600


def _slope_text(runs: Sequence[Sequence[tuple[float, float]]]) -> str:
    warm = [[(at, value) for at, value in samples if at > WARM_S] for samples in runs]
    weighted = [
        (slope, samples[-1][0] - samples[0][0])
        for samples in warm
        if samples and (slope := slope_per_hour(samples)) is not None
    ]
    seconds = sum(weight for _, weight in weighted)
    if not seconds:
        return "no slope: no process lived long enough"
    mean = sum(slope * weight for slope, weight in weighted) / seconds
    return f"slope {mean:+.2f} an hour over {seconds:.0f} s of {len(weighted)} processes"


def _consumers(server: RedisServer) -> int:
    with server.client(timeout_s=2.0) as plain:
        client: Any = plain
        return max(
            (
                group["consumers"]
                for key in client.scan_iter("*:stream:*", count=1000)
                for group in client.xinfo_groups(key)
            ),
            default=0,
        )
