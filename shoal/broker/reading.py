"""The counters of a whole deployment at one moment, summed over all partitions."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal.model.series import TOTALS
from shoal.model.transitions import State

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.results import QueueDepth

#: Counters of a type that end a run.
_SETTLING = ("completed", "retried", "dead")


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters at one moment, summed over all partitions."""

    tasks: dict[str, int]
    totals: dict[str, int]
    #: By stream, as ``<queue>:<priority>``.
    submitted: dict[str, int]
    settled: dict[str, int]
    queues: list[QueueDepth]
    #: By task type: tasks by state, and how many runs were ``settled``, and how many of them ``failed``.
    types: dict[str, dict[str, int]]


async def read_counters(broker: Broker) -> Reading:
    """One round trip to every partition.

    Raises:
        BrokerUnavailable: Redis is away.
    """
    raw = await broker.counters()
    tasks = dict.fromkeys((state.value for state in State), 0)
    totals = dict.fromkeys(TOTALS, 0)
    streams: dict[str, Counter[str]] = {"submitted": Counter(), "settled": Counter()}
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for part in raw:
        for state in tasks:
            tasks[state] += int(part.counts.get(state, 0))
        for field, value in part.counts.items():
            state, _, of_type = field.partition(":")
            if of_type and int(value):
                types[of_type][state] += int(value)
        for field, value in part.stats.items():
            name, slash, stream = field.partition("/")
            if slash:
                if name in streams:
                    streams[name][":".join(stream.split(":")[:2])] += int(value)
                continue
            name, _, of_type = field.partition(":")
            if name in totals and of_type:
                totals[name] += int(value)
                if name in _SETTLING:
                    types[of_type]["settled"] += int(value)
                    types[of_type]["failed"] += int(value) * (name != "completed")
    submitted, settled = streams["submitted"], streams["settled"]
    totals["settled"] = sum(settled.values())
    return Reading(
        tasks,
        totals,
        dict(submitted),
        dict(settled),
        broker.depths_of(raw),
        {name: dict(sorted(row.items())) for name, row in sorted(types.items())},
    )
