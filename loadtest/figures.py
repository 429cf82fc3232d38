"""Percentiles, medians and rates: the arithmetic of the report, pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

Figure = float | int | str | list[float] | None
"""What one cell of the report may hold; ``None`` = not measured."""

PERCENTILES: Final = (50, 95, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least ``percent`` % of the values do not exceed (nearest rank).

    Raises:
        ValueError: No values, or a percentage outside 0-100.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    if not 0 <= percent <= 100:
        raise ValueError(f"percent must be from 0 to 100, not {percent}")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def percentiles_ms(seconds: Sequence[float], prefix: str = "") -> dict[str, Figure]:
    """P50, P95, P99 and the maximum in milliseconds, named ``<prefix>p50_ms``.

    No values → each is ``None``.
    """
    names = [f"{prefix}p{percent}_ms" for percent in PERCENTILES]
    if not seconds:
        return dict.fromkeys([*names, f"{prefix}max_ms"])
    found: dict[str, Figure] = {
        name: round(percentile(seconds, percent) * 1000, 3)
        for name, percent in zip(names, PERCENTILES, strict=True)
    }
    found[f"{prefix}max_ms"] = round(max(seconds) * 1000, 3)
    return found


def per_task_us(cpu_s: float, tasks: int) -> float | None:
    """Microseconds a task; ``None`` when there were no tasks."""
    return round(cpu_s * 1e6 / tasks, 2) if tasks else None


def rate(tasks: int, seconds: float) -> float | None:
    """Tasks per second; ``None`` when no time passed."""
    return round(tasks / seconds, 1) if seconds > 0 else None


def ratio(part: Figure, whole: Figure) -> float | None:
    """``part`` divided by ``whole``; ``None`` when either is missing or ``whole`` is 0."""
    if not isinstance(part, int | float) or not isinstance(whole, int | float) or not whole:
        return None
    return round(part / whole, 3)


def median_run(samples: Sequence[Mapping[str, Figure]]) -> dict[str, Figure]:
    """One run out of several of the same cell: the median of each number by itself.

    Text and lists come from the first sample. With more than one sample, ``tasks_per_s_samples``
    lists the rates in the order in which they were measured, so that the spread is seen.

    Raises:
        ValueError: No samples.
    """
    if not samples:
        raise ValueError("a median needs at least one run")
    merged: dict[str, Figure] = {}
    for name in dict.fromkeys(name for sample in samples for name in sample):
        values = [value for sample in samples if (value := sample.get(name)) is not None]
        numbers = [value for value in values if isinstance(value, int | float)]
        if numbers and len(numbers) == len(values):
            middle = statistics.median(numbers)
            merged[name] = int(middle) if all(isinstance(n, int) for n in numbers) else middle
        else:
            merged[name] = values[0] if values else None
    rates = [value for s in samples if isinstance(value := s.get("tasks_per_s"), int | float)]
    if len(samples) > 1 and rates:
        merged["tasks_per_s_samples"] = [float(value) for value in rates]
    merged["measured_runs"] = len(samples)
    return merged
