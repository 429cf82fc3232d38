"""Numbers over time: what a point holds, how it is stored, and how points become a chart. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple, Self

from shoal.model.histogram import quantile, unpack
from shoal.model.priority import Priority
from shoal.model.transitions import State


class Resolution(NamedTuple):
    """How far apart points are, and for how long they are kept.

    Attributes:
        name: In the key.
        step_s: Seconds between two points.
        kept_s: Seconds.
        has_times: Whether its points have histograms.
    """

    name: str
    step_s: int
    kept_s: int
    has_times: bool


RESOLUTIONS: Final = (
    Resolution("1s", 1, 900, has_times=False),
    Resolution("10s", 10, 6 * 3600, has_times=True),
    Resolution("1m", 60, 7 * 86_400, has_times=True),
)
#: Counters that only rise.
TOTALS: Final = (
    "submitted",
    "completed",
    "retried",
    "dead",
    "cancelled",
    "interrupted",
    "requeued",
    "settled",
)
WORKERS: Final = ("live", "slots", "used")
#: What the numbers of a point are, in order. New ones come at the end, and old points lack them.
FIELDS: Final = (
    *TOTALS,
    *(f"tasks.{state.value}" for state in State),
    *(f"depth.{priority.name}" for priority in Priority),
    *(f"workers.{name}" for name in WORKERS),
)
#: Points that a chart has when nobody asks for another step.
POINTS: Final = 1_080
#: The most that may be asked for.
MAX_POINTS: Final = 11_000
MIN_RANGE_S: Final = 10
MAX_RANGE_S: Final = RESOLUTIONS[-1].kept_s
#: So many steps may lie between two points for what is between them to be known.
_BRIDGED: Final = 10
_SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Point:
    """The numbers at one moment, and what was measured since the point before."""

    #: Unix seconds.
    at_s: int
    #: As ``FIELDS`` has them.
    values: tuple[int, ...]
    wait: Mapping[int, int] = field(default_factory=dict)
    run: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, at_s: int, values: str, wait: str = "", run: str = "") -> Self:
        """Read what is stored.

        Raises:
            ValueError: It is no point.
        """
        numbers = tuple(int(word) for word in values.split())
        if len(numbers) < len(FIELDS) or min(numbers) < 0:
            raise ValueError(f"a point has {len(FIELDS)} numbers, none below 0")
        return cls(at_s, numbers[: len(FIELDS)], unpack(wait), unpack(run))


class Plan(NamedTuple):
    """Which points make a chart."""

    resolution: Resolution
    range_s: int
    step_s: int

    @classmethod
    def of(cls, range_s: float, step_s: float | None = None) -> Self:
        """Choose the points for a range.

        Args:
            range_s: How far back.
            step_s: Between two points of the chart; ``None`` = the smallest with at most ``POINTS``.

        Raises:
            ValueError: It can't be; says why.
        """
        if not MIN_RANGE_S <= range_s <= MAX_RANGE_S:
            raise ValueError("range: must be from 10 s to 7 days")
        range_s = int(range_s)
        fitting = [one for one in RESOLUTIONS if one.kept_s >= range_s]
        if step_s is None:
            steps = -(-range_s // fitting[0].step_s)
            return cls(fitting[0], range_s, fitting[0].step_s * -(-steps // POINTS))
        step = int(step_s)
        found = [one for one in fitting if step >= one.step_s and step % one.step_s == 0]
        if step != step_s or not found:
            raise ValueError(
                f"step: must be a whole number of times {fitting[0].step_s} s for this range"
            )
        if step > range_s:
            raise ValueError("step: must not be longer than the range")
        if range_s // step > MAX_POINTS:
            raise ValueError(f"step: there would be more than {MAX_POINTS} points")
        return cls(found[0], range_s, step)


def chart(plan: Plan, points: Sequence[Point], measured: Sequence[Point]) -> dict[str, Any]:
    """What is drawn: a list of values for each line, one for each time.

    Args:
        plan: Which times.
        points: Of the plan's resolution, oldest first.
        measured: Those whose histograms count: of the plan's resolution, or of the finest that has any.
    """
    step = plan.step_s
    end_s = points[-1].at_s // step * step if points else 0
    number = max(1, plan.range_s // step) if points else 0
    times = [end_s - step * (number - 1 - k) for k in range(number)]
    # One more in front, to take differences from.
    rows = _rows(points, [times[0] - step, *times] if times else [], plan.resolution.step_s)
    out: dict[str, Any] = {
        "range": plan.range_s,
        "step": step,
        "times": times,
        "rates": {
            name: [
                None if before is None or after is None else round((after[k] - before[k]) / step, 2)
                for before, after in pairwise(rows)
            ]
            for k, name in enumerate(TOTALS)
        },
    }
    for k, name in enumerate(FIELDS):
        group, dot, member = name.partition(".")
        if dot:
            values = [None if row is None else int(row[k]) for row in rows[1:]]
            out.setdefault(group, {})[member] = values
    windows = _windows(times, step, measured)
    out["wait"] = _percentiles(windows, lambda point: point.wait)
    out["run"] = _percentiles(windows, lambda point: point.run)
    return out


def _rows(points: Sequence[Point], times: Sequence[int], apart_s: int) -> list[list[float] | None]:
    """The numbers at each time; totals never fall, and are interpolated where a point is left out."""
    at_s = [point.at_s for point in points]
    risen = _rising(points)
    rows: list[list[float] | None] = []
    for time_s in times:
        k = bisect_right(at_s, time_s) - 1
        row: list[float] | None = None
        if k >= 0 and at_s[k] == time_s:
            row = [*risen[k], *points[k].values[len(TOTALS) :]]
        elif 0 <= k < len(points) - 1 and at_s[k + 1] - at_s[k] <= _BRIDGED * apart_s:
            part = (time_s - at_s[k]) / (at_s[k + 1] - at_s[k])
            between = [a + (b - a) * part for a, b in zip(risen[k], risen[k + 1], strict=True)]
            row = [*between, *points[k].values[len(TOTALS) :]]
        rows.append(row)
    return rows


def _rising(points: Sequence[Point]) -> list[list[int]]:
    """The totals as sums of what they rose by: after a failover a counter may be lower than before."""
    out: list[list[int]] = []
    for k, point in enumerate(points):
        now = point.values[: len(TOTALS)]
        if not out:
            out.append(list(now))
            continue
        before = points[k - 1].values
        out.append([sum_ + max(0, a - b) for sum_, a, b in zip(out[-1], now, before, strict=False)])
    return out


def _windows(
    times: Sequence[int], step: int, measured: Sequence[Point]
) -> list[Sequence[Point] | None]:
    """The points whose histograms make up each step; ``None`` = not known."""
    at_s = [point.at_s for point in measured]
    apart_s = next((one.step_s for one in RESOLUTIONS if one.has_times), 10)
    windows: list[Sequence[Point] | None] = []
    for time_s in times:
        if step >= apart_s:
            low, high = bisect_right(at_s, time_s - step), bisect_right(at_s, time_s)
            windows.append(measured[low:high] or None)
            continue
        # Finer than they are kept: the one around, or the last while that is not over.
        k = bisect_left(at_s, time_s)
        if k == len(at_s) and at_s and time_s - at_s[-1] <= 2 * apart_s:
            k -= 1
        found = k < len(at_s) and abs(at_s[k] - time_s) <= 2 * apart_s
        windows.append(measured[k : k + 1] if found else None)
    return windows


def _percentiles(
    windows: Sequence[Sequence[Point] | None], of: Callable[[Point], Mapping[int, int]]
) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {"count": [], **{name: [] for name in _SHARES}}
    for window in windows:
        counts: dict[int, int] = {}
        for point in window or ():
            for bucket, count in of(point).items():
                counts[bucket] = counts.get(bucket, 0) + count
        out["count"].append(None if window is None else sum(counts.values()))
        for name, share in _SHARES.items():
            value = quantile(counts, share)
            out[name].append(None if value is None else float(f"{value:.3g}"))
    return out
