"""One kill -9 of a shard, and how soon its tasks ran again."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.broker.broker import Broker
from shoal.broker.keys import GROUP
from tests.chaos.host import Host
from tests.chaos.tail import LedgerTail
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


@dataclass(frozen=True)
class Recovery:
    """What one kill did."""

    #: Tasks that were running, or claimed and unknown to the dead shard.
    tasks: frozenset[str]
    #: From the kill to the last of their new starts.
    seconds: float


async def kill_and_recover(
    host: Host, pid: int, tail: LedgerTail, also: frozenset[str] = frozenset()
) -> Recovery:
    """Kill -9 a shard and wait until everything it was running has started again.

    Args:
        host: Its host.
        pid: The shard.
        tail: Of the ledger its handlers write.
        also: Tasks that it holds besides those that its handlers tell of.
    """
    at_ns = host.kill_shard(pid)
    tasks = tail.running(pid) | also
    tail.forget(pid)
    assert tasks, "it was not in the middle of work"

    def starts() -> dict[str, int]:
        found = tail.first_starts_since(at_ns, tasks)
        return found if len(found) == len(tasks) else {}

    found = await wait_until_async(starts, f"{len(tasks)} tasks run again", 10)
    return Recovery(tasks, max(found.values()) / 1e9)


def claimed_by(server: RedisServer, broker: Broker, incarnation: str) -> frozenset[str]:
    """The tasks that Redis holds as running at an incarnation, whatever that knows of them."""
    with server.client() as client:
        return frozenset(_claimed(client, broker, incarnation))


def _claimed(client: Any, broker: Broker, incarnation: str) -> Iterator[str]:
    for keys in broker.keys:
        stream = keys.stream("default:1")
        for row in client.xpending_range(stream, GROUP, "-", "+", 1000, incarnation):
            for _, fields in client.xrange(stream, row["message_id"], row["message_id"]):
                yield fields[b"i"].decode()


def describe(times: Sequence[float]) -> str:
    """Median, P95, maximum and all times, in ms."""
    ordered = sorted(times)
    return (
        f"{len(times)} recoveries: median {statistics.median(times) * 1000:.0f} ms, "
        f"P95 {percentile_95(times) * 1000:.0f} ms, max {ordered[-1] * 1000:.0f} ms; "
        f"all: {' '.join(f'{seconds * 1000:.0f}' for seconds in times)}"
    )


def percentile_95(times: Sequence[float]) -> float:
    """The value that 95 % of them do not exceed."""
    ordered = sorted(times)
    return ordered[-(-len(ordered) * 95 // 100) - 1]
