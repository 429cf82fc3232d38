"""How much of its concurrency a shard may use while Redis is slow, or memory or CPU time is short. Pure.

Slow Redis shuts a shard: it claims nothing. Memory and CPU time only make it smaller, never below one
task. None stays shut: after ``MAX_SHUT_S`` a shard tries with one task at a time, whatever was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from shoal.settings.worker import WorkerSettings

#: Slow answers in a row that shut a shard; one that is not slow opens it.
SLOW_PROBES: Final = 3
#: For how long a shard claims nothing at most, in seconds.
MAX_SHUT_S: Final = 30.0
#: Where no hard limit of memory is set, one task is left at so many times the soft one.
_TOP_FACTOR: Final = 1.25

LATENCY: Final = "latency"
MEMORY: Final = "memory"
CPU: Final = "cpu"
#: Everything a shard may be throttled by.
REASONS: Final = (LATENCY, MEMORY, CPU)


@dataclass(frozen=True, slots=True)
class Limits:
    """When to throttle."""

    #: Tasks that the shard runs at once when nothing is short.
    concurrency: int
    #: Slowest answer of Redis that is no reason, in seconds.
    latency_s: float
    #: From where on memory makes the shard smaller, and where one task is left, in bytes; ``None`` = never.
    memory: tuple[float, float] | None = None
    #: From which share of CPU time on it makes the shard smaller; at all of it one task is left.
    cpu: float | None = None

    @classmethod
    def of(cls, settings: WorkerSettings) -> Self:
        """As set."""
        soft, hard = settings.throttle_memory, settings.max_memory_per_shard
        return cls(
            settings.concurrency,
            settings.throttle_latency_s,
            None if soft is None else (soft, soft * _TOP_FACTOR if hard is None else hard),
            settings.throttle_cpu,
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured at one moment."""

    #: Monotonic seconds.
    at_s: float
    #: Round trip of a PING.
    latency_s: float
    #: Resident bytes of the shard; 0 = not measured.
    memory: int = 0
    #: Used share of the CPU time there is; 0 = not measured.
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Throttled:
    """What follows: by what the shard is throttled, and how many tasks each leaves it."""

    #: Slow answers in a row.
    slow: int = 0
    #: Since when Redis has been too slow to claim, monotonic seconds; ``None`` = it is not.
    shut_since_s: float | None = None
    #: Reason → tasks at once; without those that hold nothing back.
    left: tuple[tuple[str, int], ...] = ()

    @property
    def why(self) -> tuple[str, ...]:
        """The reasons."""
        return tuple(reason for reason, _ in self.left)

    def tasks(self, concurrency: int) -> int:
        """How many tasks the shard may run at once; 0 = it claims nothing."""
        return min((tasks for _, tasks in self.left), default=concurrency)


def decide(limits: Limits, before: Throttled, sample: Sample) -> Throttled:
    """What follows from one more sample."""
    slow = before.slow + 1 if sample.latency_s > limits.latency_s else 0
    since_s = None
    left: list[tuple[str, int]] = []
    if slow >= SLOW_PROBES:
        since_s = sample.at_s if before.shut_since_s is None else before.shut_since_s
        left.append((LATENCY, 0 if sample.at_s - since_s < MAX_SHUT_S else 1))
    if limits.memory is not None and sample.memory > limits.memory[0]:
        left.append((MEMORY, _share(limits.concurrency, sample.memory, *limits.memory)))
    if limits.cpu is not None and sample.cpu > limits.cpu:
        left.append((CPU, _share(limits.concurrency, sample.cpu, limits.cpu, 1.0)))
    return Throttled(slow, since_s, tuple(left))


def _share(concurrency: int, used: float, low: float, high: float) -> int:
    """All but one a little above ``low``, one at ``high``, and evenly in between."""
    left = int(concurrency * (high - used) / (high - low))
    return max(1, min(left, concurrency - 1))
