"""The counters are what a recount says: `ready` at one instant, `counts` while nothing moves."""

from typing import Any, NamedTuple

from shoal.broker.verify_report import Code
from shoal.broker.verify_walk import Walk


class Totals(NamedTuple):
    """The counters of a partition at one instant."""

    ready: dict[str, str]
    counts: dict[str, str]
    stats: dict[str, str]
    last_event: bytes
    #: What `ready` must be.
    recounted: dict[str, int]


async def read_totals(walk: Walk) -> Totals:
    """Read them, together with what the streams say."""
    ready, counts, stats, last_event, streams, isolated = await walk.script("verify_totals")
    recounted = {"isolated_types": len(isolated) // 2}
    for name, entries, returned in zip(streams[0::3], streams[1::3], streams[2::3], strict=True):
        stream = name.decode()
        recounted |= {stream: entries, f"{stream}:returned": returned}
    by_state = _pairs(counts)
    # Only there so that the hash is never stored as a list.
    by_state.pop("about", None)
    return Totals(_pairs(ready), by_state, _pairs(stats), last_event, recounted)


def check_ready(walk: Walk, totals: Totals) -> None:
    """`ready` counts entries; a field at 0 is deleted."""
    for field in sorted(totals.ready.keys() | totals.recounted.keys()):
        right = str(totals.recounted.get(field, 0) or "")
        if totals.ready.get(field, "") != right:
            walk.find(
                Code.READY_DIFFERS,
                "ready",
                f"{field} is {totals.ready.get(field) or 'not set'}, and there are {right or 0}",
                field,
            )


def recount(walk: Walk) -> dict[str, int]:
    """What `counts` must be, by the hashes that the walk has seen."""
    right: dict[str, int] = {}
    for (state, task_type), number in walk.tally.items():
        right[state] = right.get(state, 0) + number
        right[f"{state}:{task_type}"] = number
    return right


def check_counts(walk: Walk, totals: Totals) -> None:
    """`counts` counts hashes, by state, and by state and type."""
    right = recount(walk)
    for field in sorted(totals.counts.keys() | right.keys()):
        if totals.counts.get(field, "0") != str(right.get(field, 0)):
            walk.find(
                Code.COUNTS_DIFFER,
                "counts",
                f"{field} is {totals.counts.get(field, '0')}, and there are {right.get(field, 0)}",
                field,
            )


def _pairs(flat: list[Any]) -> dict[str, str]:
    return {
        name.decode(): value.decode() for name, value in zip(flat[0::2], flat[1::2], strict=True)
    }
