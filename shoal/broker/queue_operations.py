"""What operators ask of queues: what comes next, what waits longest, what died of the same."""

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from shoal.broker import operator_calls
from shoal.broker.calls import MAX_TASKS, Call
from shoal.broker.keys import stream_name
from shoal.broker.operator_results import DeadGroup, PeekedTask

if TYPE_CHECKING:
    from shoal.broker.broker import Pending

T = TypeVar("T")

#: Of how many DEAD tasks a partition's groups are counted, unless more are asked for.
GROUPED = 10_000


class DeadGroups(NamedTuple):
    """What the DEAD tasks died of, the largest group first, and of how many that was counted."""

    groups: list[DeadGroup]
    counted: int


class Waiting(NamedTuple):
    """What waits longest, in seconds."""

    #: By (queue, priority number), as :meth:`QueueOperations.oldest` has it.
    oldest_s: dict[tuple[str, int], float]
    #: The task that is due and not ready yet; 0 = there is none.
    overdue_s: float


class QueueOperations:
    """A part of the broker; see :class:`shoal.broker.broker.Broker`."""

    partitions: int

    if TYPE_CHECKING:

        async def run(self, call: Call[T]) -> T:
            """See the broker."""
            ...

        def pending(self, call: Call[T]) -> "Pending[T]":
            """See the broker."""
            ...

    async def peek(
        self, queue: str, priority: int, limit: int = 50, *, isolated: bool = False
    ) -> list[PeekedTask]:
        """The next tasks of a queue and priority, at most 256, without taking them.

        Handed-back ones come first, as in claims; then by the time they became ready.
        """
        stream = stream_name(queue, priority, isolated=isolated)
        limit = min(limit, MAX_TASKS)
        sent = [self.pending(operator_calls.peek(n, stream, limit)) for n in range(self.partitions)]
        rows = [row for one in sent for row in await one]
        rows.sort(key=lambda row: (not row.returned, row.ready_ms))
        return rows[:limit]

    async def oldest(self) -> dict[tuple[str, int], float]:
        """How long the oldest ready task of each queue and priority has waited, in seconds.

        A task that was handed back or isolated counts from when it first became ready.
        """
        return (await self.waiting()).oldest_s

    async def waiting(self) -> Waiting:
        """What waits longest: to be claimed, and to be made ready."""
        overdue_s = 0.0
        ages: dict[tuple[str, int], float] = {}
        for one in [self.pending(operator_calls.oldest(n)) for n in range(self.partitions)]:
            now_ms, streams = await one
            overdue_s = max(overdue_s, (now_ms - streams.pop("scheduled", now_ms)) / 1000)
            for stream, ready_ms in streams.items():
                queue, priority = stream.split(":")[:2]
                key = queue, int(priority)
                ages[key] = max(ages.get(key, 0.0), (now_ms - ready_ms) / 1000)
        return Waiting(ages, overdue_s)

    async def dead_groups(self, most: int = GROUPED) -> DeadGroups:
        """What the DEAD tasks died of: by type, reason and fingerprint.

        Args:
            most: Of how many tasks of each partition, the newest; all is a slice of 256 a call.
        """
        groups: dict[tuple[str, str, str], DeadGroup] = {}
        counted = 0
        for partition in range(self.partitions):
            skip = 0
            while skip < most:
                want = min(MAX_TASKS, most - skip)
                looked, found = await self.run(operator_calls.dead_groups(partition, want, skip))
                for group in found:
                    key = group.fingerprint, group.type, group.reason
                    groups[key] = _joined(groups.get(key), group)
                counted += looked
                skip += looked
                if looked < want:
                    break
        ordered = sorted(groups.values(), key=lambda group: (-group.tasks, -group.newest_ms))
        return DeadGroups(ordered, counted)


def _joined(one: DeadGroup | None, other: DeadGroup) -> DeadGroup:
    if one is None:
        return other
    newer = max(one, other, key=lambda group: group.newest_ms)
    return newer._replace(
        tasks=one.tasks + other.tasks, oldest_ms=min(one.oldest_ms, other.oldest_ms)
    )
