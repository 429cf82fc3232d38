"""Times calls to Redis in plain integers, and hands them to Prometheus now and then."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

from prometheus_client import Histogram

from shoal.telemetry.histogram import add_observations
from shoal.telemetry.metrics import CALL_BUCKETS_S

__all__ = ["CallTimes"]


class _Row:
    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] = defaultdict(int)
        self.seconds = 0.0


class CallTimes:
    """What calls took, by verb; one thread only.

    A call is a whole batch of tasks, and adding one costs less than 1 µs. What was not flushed is
    lost with the process.

    Args:
        histogram: With the label ``verb``.
    """

    __slots__ = ("_histogram", "_rows")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._rows: dict[str, _Row] = {}

    def answered(self, verb: str, seconds: float) -> None:
        """A call was answered.

        Args:
            verb: The script's name, one of those that there are.
            seconds: How long that took.
        """
        row = self._rows.get(verb)
        if row is None:
            row = self._rows[verb] = _Row()
        row.counts[bisect_left(CALL_BUCKETS_S, seconds)] += 1
        row.seconds += seconds

    def flush(self) -> None:
        """Hand over what was added since the last time."""
        rows, self._rows = self._rows, {}
        for verb, row in rows.items():
            add_observations(self._histogram.labels(verb), row.counts, row.seconds)
