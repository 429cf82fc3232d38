"""When scheduled tasks become due in partitions that this shard, busy elsewhere, does not come to by itself.

An idle shard sleeps until the next due time. A busy one hears of it with the depths it reads anyway, and
then sets a timer: a claim of nothing makes ready what is due, and its reply says what that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shoal.shard.deferred import Deferred
    from shoal.shard.lane import Lane


class DueTimes:
    """The next due time of each partition, as far as it is known.

    Args:
        deferred: Calls in time.
        is_due: Called with a partition whose time has come.
    """

    def __init__(self, deferred: Deferred, is_due: Callable[[Lane], None]) -> None:
        self._deferred = deferred
        self._is_due = is_due
        #: Monotonic time and timer, by partition.
        self._timers: dict[int, tuple[float, asyncio.TimerHandle]] = {}

    def read(self, lane: Lane, due_in_ms: int, now_s: float) -> None:
        """The next task there is due in so many ms; below 0 = there is none."""
        if due_in_ms < 0:
            return
        at_s = now_s + due_in_ms / 1000
        known = self._timers.get(lane.partition)
        if known is not None:
            if known[0] <= at_s:
                return
            known[1].cancel()
        # A timer may come up to a millisecond early, and then nothing would be due yet.
        timer = self._deferred.later(due_in_ms / 1000 + 0.001, partial(self._in_time, lane))
        self._timers[lane.partition] = at_s, timer

    def close(self) -> None:
        """Forget all times."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _in_time(self, lane: Lane) -> None:
        at_s, _ = self._timers.pop(lane.partition)
        if lane.asked_at < at_s:  # a claim since then has made it ready
            self._is_due(lane)
