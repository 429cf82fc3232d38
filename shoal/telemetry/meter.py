"""Counts tasks on the hot path in plain integers, and hands them to Prometheus once a second."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import Counter, Histogram

from shoal.broker.results import Submission, Submitted
from shoal.model.histogram import BOUNDS_S, coarse, places
from shoal.model.priority import Priority
from shoal.model.transitions import State
from shoal.telemetry.histogram import add_observations
from shoal.telemetry.metrics import DURATION_BUCKETS_S, OTHER, Metrics
from shoal.telemetry.times import Times

__all__ = ["SubmitMeter", "TaskMeter"]

_PLACES = places(DURATION_BUCKETS_S)
#: What a run's end may lead to.
_STATUSES = (State.COMPLETED, State.FAILED, State.DEAD, State.CANCELLED)


class _Row:
    """What was counted of one type since the last flush, and where it will be added."""

    __slots__ = ("children", "counts", "duration", "label", "retries", "seconds", "statuses")

    def __init__(self, label: str, duration: Histogram) -> None:
        self.label = label
        self.duration = duration
        self.children: dict[str, Counter] = {}
        self.clear()

    def clear(self) -> None:
        self.counts: defaultdict[int, int] = defaultdict(int)
        self.seconds = 0.0
        self.retries = 0
        self.statuses: defaultdict[str, int] = defaultdict(int)


class TaskMeter:
    """Accounts for every task that ends in this process; one thread only.

    ``ended`` costs less than 1 µs. Call ``flush`` at least once a second from the process's
    housekeeping and with ``now`` at its end: what was not flushed is lost with the process.
    """

    __slots__ = ("_clock_s", "_flushed_s", "_metrics", "_rows", "_times")

    #: How often ``flush`` does anything, in seconds.
    INTERVAL_S = 1.0

    def __init__(
        self,
        metrics: Metrics,
        clock_s: Callable[[], float] = time.monotonic,
        times: Times | None = None,
    ) -> None:
        self._times = times
        self._metrics = metrics
        self._clock_s = clock_s
        self._flushed_s = clock_s()
        # Several types may share the row of ``other``.
        self._rows: dict[bytes, _Row] = {}

    def expect(self, types: Iterable[bytes]) -> None:
        """Show these types at 0 from now on, so that the first task of each is an increase."""
        for task_type in types:
            row = self._rows.get(task_type) or self._row(task_type)
            self._metrics.retries.labels(row.label)
            for status in _STATUSES:
                self._child(row, status.value)

    def ended(self, task_type: bytes, status: str, seconds: float) -> None:
        """A run ended.

        Args:
            task_type: Its type, as claimed.
            status: The state it went to, in its word (``COMPLETED``, ``FAILED`` …).
            seconds: How long its code ran.
        """
        row = self._rows.get(task_type) or self._row(task_type)
        row.counts[bisect_left(BOUNDS_S, seconds)] += 1
        row.seconds += seconds
        row.statuses[status] += 1

    def retried(self, task_type: bytes) -> None:
        """A failed attempt will be repeated by the retry policy."""
        (self._rows.get(task_type) or self._row(task_type)).retries += 1

    def flush(self, *, now: bool = False) -> bool:
        """Hand over what was counted, if the last time was a second ago.

        Args:
            now: Even if it was not; at the end of the process.

        Returns:
            Whether it did.
        """
        time_s = self._clock_s()
        if not now and time_s - self._flushed_s < self.INTERVAL_S:
            return False
        self._flushed_s = time_s
        for row in {id(row): row for row in self._rows.values()}.values():
            if row.statuses:
                add_observations(row.duration, coarse(row.counts, _PLACES), row.seconds)
                if self._times is not None:
                    self._times.ran(row.counts)
                for status, count in row.statuses.items():
                    self._child(row, status).inc(count)
            if row.retries:
                self._metrics.retries.labels(row.label).inc(row.retries)
            if row.statuses or row.retries:
                row.clear()
        return True

    def _row(self, task_type: bytes) -> _Row:
        label = self._metrics.type_label(task_type)
        if label != OTHER:
            row = self._rows[task_type] = _Row(label, self._metrics.duration.labels(label))
            return row
        # Not remembered under its own type: an unbounded number of types must cost nothing.
        row_of_others = self._rows.get(b"")
        if row_of_others is None:
            row_of_others = _Row(OTHER, self._metrics.duration.labels(OTHER))
            self._rows[b""] = row_of_others
        return row_of_others

    def _child(self, row: _Row, status: str) -> Counter:
        child = row.children.get(status)
        if child is None:
            child = self._metrics.completed.labels(row.label, str(status))
            row.children[status] = child
        return child


class SubmitMeter:
    """Counts the tasks that the handlers of this process submit."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def stored(self, tasks: Sequence[Submission], answers: Sequence[Submitted]) -> None:
        """A batch was handed over; those of it that are new count."""
        tally: Tally[tuple[str, int]] = Tally(
            (task.type, task.priority)
            for task, answer in zip(tasks, answers, strict=True)
            if answer.status == "new"
        )
        for (task_type, priority), number in tally.items():
            label = self._metrics.type_label(task_type.encode())
            self._metrics.submitted.labels(label, Priority(priority).name).inc(number)
