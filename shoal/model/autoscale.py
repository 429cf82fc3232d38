"""How many workers there should be, from what comes in, what waits and how long runs take. Pure."""

import math
from dataclasses import dataclass
from typing import Final

FORMULA: Final = "ceil((arrival_rate * mean_run + backlog / target_drain * mean_run) / slots)"
#: A worker is given up only when the need, with this much to spare, is met without it.
SPARE: Final = 0.2
#: A rate below one run in eleven days says nothing of how long runs take.
_LEAST_RATE: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was measured."""

    #: Workers that live.
    workers: int
    #: Tasks that one worker runs at once, above 0.
    slots: float
    #: Tasks that wait to be claimed.
    backlog: int
    #: Tasks that become ready, each second.
    arrival_rate: float
    #: Runs that end, each second.
    settle_rate: float
    #: Busy slots over all slots, 0 to 1.
    utilisation: float

    @property
    def mean_run(self) -> float:
        """How long a run takes, in seconds, by Little's law; 0 = nothing ended, so it is not known."""
        busy = self.utilisation * self.workers * self.slots
        return busy / self.settle_rate if self.settle_rate > _LEAST_RATE else 0.0

    @property
    def drain_s(self) -> float | None:
        """When the backlog is gone if all goes on as it does, in seconds; ``None`` = never."""
        if self.backlog == 0:
            return 0.0
        spare = self.settle_rate - self.arrival_rate
        return self.backlog / spare if spare > 0 else None


@dataclass(frozen=True, slots=True)
class Advice:
    """How many workers there should be, and why."""

    desired_workers: int
    reason: str


def advise(load: Load, *, least: int, most: int, target_drain_s: float) -> Advice:
    """How many workers hold up with what comes in and drain the backlog in time.

    Args:
        load: What was measured.
        least: Never fewer.
        most: Never more; at least ``least``.
        target_drain_s: In what time the backlog is to be gone, in seconds.
    """
    if load.workers == 0 or (load.mean_run == 0 and load.backlog > 0):
        # Nothing is known of how long a run takes: one more than there are will show it.
        wanted = load.workers + (load.backlog > 0)
        reason = "nothing has ended yet" if load.backlog else "nothing waits"
        return _bounded(wanted, reason, least, most)
    need = load.mean_run * (load.arrival_rate + load.backlog / target_drain_s) / load.slots
    if math.ceil(need) > load.workers:
        return _bounded(math.ceil(need), "more comes in or waits than is run", least, most)
    with_spare = math.ceil(need * (1 + SPARE))
    if with_spare < load.workers:
        return _bounded(with_spare, "fewer hold up with it, with some to spare", least, most)
    return _bounded(load.workers, "as many as are needed", least, most)


def _bounded(wanted: int, reason: str, least: int, most: int) -> Advice:
    if wanted < least:
        return Advice(least, f"{reason}; never fewer than {least}")
    if wanted > most:
        return Advice(most, f"{reason}; never more than {most}")
    return Advice(wanted, reason)
