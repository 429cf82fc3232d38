"""Histograms that can be added up: one set of bounds for everybody, about 25 % apart. Pure.

A bucket is known by its place: bucket ``k`` holds what is above ``BOUNDS_S[k - 1]`` and at most
``BOUNDS_S[k]``, the last one all above. Percentiles come from added buckets, never from percentiles.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

_MANTISSAS: Final = ("1", "1.25", "1.6", "2", "2.5", "3", "4", "5", "6", "8")
#: From 10 µs to 10,000 s, in seconds.
BOUNDS_S: Final = (
    *(float(f"{mantissa}e{power}") for power in range(-5, 2) for mantissa in _MANTISSAS),
    *(100.0, 125.0, 160.0, 200.0, 250.0, 300.0, 400.0, 500.0, 600.0, 900.0),
    *(1e3, 1.25e3, 1.6e3, 2e3, 2.5e3, 3e3, 3.6e3, 5e3, 6e3, 8e3, 1e4),
)
#: How many there are, the open one too.
BUCKETS: Final = len(BOUNDS_S) + 1

_ITEM = re.compile(r"(\d{1,3})\*(\d{1,18})")


def pack(counts: Mapping[int, int]) -> str:
    """As it is stored: ``<bucket>*<count>`` of each bucket with something in it."""
    return " ".join(f"{bucket}*{count}" for bucket, count in sorted(counts.items()) if count > 0)


def unpack(text: str) -> dict[int, int]:
    """Read what ``pack`` or a script wrote.

    Raises:
        ValueError: It is no histogram.
    """
    counts: dict[int, int] = {}
    for item in text.split():
        match = _ITEM.fullmatch(item)
        if match is None or int(match[1]) >= BUCKETS:
            raise ValueError(f"{item!r:.40} is no bucket of a histogram")
        counts[int(match[1])] = counts.get(int(match[1]), 0) + int(match[2])
    return counts


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """The value below which this share of what was counted lies, in seconds; ``None`` = nothing was.

    Inside a bucket what was counted is taken to be spread evenly; of the open one its bound is known.
    """
    total = sum(counts.values())
    if not total:
        return None
    wanted, seen = share * total, 0
    for bucket in sorted(counts):
        count = counts[bucket]
        if count and seen + count >= wanted:
            if bucket >= len(BOUNDS_S):
                break
            low = BOUNDS_S[bucket - 1] if bucket else 0.0
            return low + (BOUNDS_S[bucket] - low) * max(0.0, wanted - seen) / count
        seen += count
    return BOUNDS_S[-1]


def places(bounds_s: Sequence[float]) -> tuple[int, ...]:
    """For each bucket the one that holds it among fewer bounds, whose open bucket is the last.

    Raises:
        ValueError: A bound is none of ``BOUNDS_S``, so a bucket would have to be divided.
    """
    foreign = set(bounds_s) - set(BOUNDS_S)
    if foreign:
        raise ValueError(f"{sorted(foreign)} s are no bounds of these histograms")
    return tuple(bisect_left(bounds_s, bound) for bound in (*BOUNDS_S, float("inf")))


def coarse(counts: Mapping[int, int], where: Sequence[int]) -> dict[int, int]:
    """The same in fewer buckets; ``where`` is what ``places`` says of their bounds."""
    found: dict[int, int] = {}
    for bucket, count in counts.items():
        place = where[bucket]
        found[place] = found.get(place, 0) + count
    return found
