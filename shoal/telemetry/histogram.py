"""Adds many observations to a Prometheus histogram at once.

prometheus-client can only observe one value at a time, which costs 2 µs in multiprocess mode: too
much for each task. This is the one place that reaches behind its API; a test compares the result
with ``observe`` for the installed version.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Histogram

__all__ = ["add_observations"]


def add_observations(child: Histogram, counts: Sequence[int], total: float) -> None:
    """Add observations that were counted elsewhere.

    Args:
        child: A histogram without labels, or one labelled child of it.
        counts: How many fell into each bucket, not accumulated, the open bucket last.
        total: The sum of what was observed.
    """
    buckets = child._buckets  # noqa: SLF001 - see the module's docstring
    if len(buckets) != len(counts):
        raise ValueError(f"the histogram has {len(buckets)} buckets, not {len(counts)}")
    for bucket, count in zip(buckets, counts, strict=True):
        if count:
            bucket.inc(count)
    child._sum.inc(total)  # noqa: SLF001
