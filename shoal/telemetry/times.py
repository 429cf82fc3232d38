"""How long tasks waited and ran, counted in this process until a heartbeat tells it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from shoal.model.histogram import BOUNDS_S

#: Of so many tasks of a claim it is looked at how long they waited; each stands for its neighbours.
LOOKED_AT = 4


class Times:
    """Histograms of this process; one thread only."""

    __slots__ = ("_runs", "_waits")

    def __init__(self) -> None:
        self._waits: defaultdict[int, int] = defaultdict(int)
        self._runs: defaultdict[int, int] = defaultdict(int)

    def waited(
        self, now_ms: int, tokens: Sequence[bytes], ready_ms: Callable[[bytes], int]
    ) -> None:
        """Tasks were claimed together, in the order in which they became ready.

        Args:
            now_ms: Redis' time.
            tokens: Their claim tokens.
            ready_ms: When the task of a token became ready, in Redis' time.
        """
        number = len(tokens)
        step = -(-number // LOOKED_AT)
        for at in range(0, number, step or 1):
            waited_s = max(0, now_ms - ready_ms(tokens[at])) / 1000
            self._waits[bisect_left(BOUNDS_S, waited_s)] += min(step, number - at)

    def ran(self, counts: Mapping[int, int]) -> None:
        """Runs that ended, by bucket."""
        for bucket, count in counts.items():
            self._runs[bucket] += count

    def take(self) -> str:
        """What was counted since the last time, as a heartbeat tells it: ``w<bucket> <count> r<bucket> …``."""
        words = [
            f"{kind}{bucket} {count}"
            for kind, counts in (("w", self._waits), ("r", self._runs))
            for bucket, count in sorted(counts.items())
        ]
        self._waits.clear()
        self._runs.clear()
        return " ".join(words)
