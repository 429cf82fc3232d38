"""What operators and readers ask of the broker: by id, by state, by queue."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from shoal.broker import operator_calls
from shoal.broker.calls import MAX_TASKS, Calls
from shoal.broker.operator_results import DeleteResult
from shoal.broker.pages import Place, Slice, TaskPage, read_page
from shoal.broker.queue_operations import QueueOperations
from shoal.broker.results import (
    CancelResult,
    Inspected,
    KeyHolder,
    QueueDepth,
    RequeueResult,
)
from shoal.config import Settings
from shoal.errors import TaskNotFound
from shoal.model.identity import partition_of
from shoal.model.transitions import State

if TYPE_CHECKING:
    from shoal.broker.broker import Pending

T = TypeVar("T")


class Counters(NamedTuple):
    """The counters of one partition; docs/keyspace.md has their fields."""

    ready: dict[str, str]
    paused: set[str]
    counts: dict[str, str]
    queues: list[str]
    stats: dict[str, str]


class Operations(QueueOperations):
    """The part of the broker that is not on the hot path; see :class:`shoal.broker.broker.Broker`."""

    calls: Calls
    settings: Settings

    async def cancel(self, ids: Sequence[str], reason: str = "requested") -> list[CancelResult]:
        """Cancel tasks: at once what waits, by request what runs. Results in the order of ``ids``."""
        found: dict[str, CancelResult] = {}
        for partition, part in self._by_partition(ids):
            for row in await self.run(self.calls.cancel(partition, part, reason)):
                found[row.id] = row
        return [found.get(i, CancelResult(i, "not_found", "")) for i in ids]

    async def requeue(self, ids: Sequence[str], operation_id: str) -> list[RequeueResult]:
        """Make FAILED, DEAD and CANCELLED tasks ready again; results in the order of ``ids``.

        Args:
            operation_id: Names this wish; a repeat with the same id does nothing more.
        """
        found: dict[str, RequeueResult] = {}
        for partition, part in self._by_partition(ids):
            for row in await self.run(self.calls.requeue(partition, part, operation_id)):
                found[row.id] = row
        return [found.get(i, RequeueResult(i, "not_found", "")) for i in ids]

    async def delete(self, ids: Sequence[str]) -> list[DeleteResult]:
        """Forget ended tasks; results in the order of ``ids``.

        What ended less than ``SHOAL_TOMBSTONE`` ago stays. An id that was deleted must not be used
        again before its retention would have passed.
        """
        tombstone_ms = round(self.settings.retention.tombstone_s * 1000)
        found: dict[str, DeleteResult] = {}
        for partition, part in self._by_partition(ids):
            for row in await self.run(operator_calls.delete(partition, part, tombstone_ms)):
                found[row.id] = row
        return [found.get(i, DeleteResult(i, "not_found", "")) for i in ids]

    async def idempotency(
        self, partition: int, digest: str, task_id: str, request_hash: str
    ) -> KeyHolder:
        """Which task an idempotency key stands for; the first to ask decides, for 24 hours.

        Args:
            partition: Of the key: ``partition_of_key(digest, agreed.key_partitions)``.
            digest: SHA-256 of the principal and the key, in hex.
            task_id: What it is to stand for if nobody has used it.
            request_hash: Of the request that it came with, without spaces.
        """
        return await self.run(self.calls.idempotency(partition, digest, task_id, request_hash))

    async def idempotency_stored(self, partition: int, digest: str) -> bool:
        """Note that the key's task has been accepted; whether the key is known."""
        return await self.run(self.calls.simple("idempotency_stored", partition, digest)) == 1

    async def inspect(self, ids: Sequence[str]) -> list[Inspected | None]:
        """Tasks as they stand, each read at one instant; ``None`` for an id nobody knows."""
        found: dict[str, Inspected | None] = {}
        for partition, part in self._by_partition(ids):
            rows = await self.run(self.calls.inspect(partition, part))
            found.update(zip(part, rows, strict=True))
        return [found.get(i) for i in ids]

    async def inspect_one(self, task_id: str) -> Inspected:
        """One task as it stands.

        Raises:
            TaskNotFound: Nobody knows the id.
        """
        (row,) = await self.inspect([task_id])
        if row is None:
            raise TaskNotFound(f"no task has the id {task_id}, or its retention has passed")
        return row

    async def list_tasks(
        self,
        *states: State,
        type: str | None = None,
        after: Place | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> TaskPage:
        """Tasks of these states, newest first, merged over all partitions; see ``shoal.broker.pages``.

        Args:
            states: Which states; none = all.
            type: Only this type; ``None`` = all.
            after: Only what follows this place: the ``next`` of the page before.
            limit: At most so many, up to 1,200 together with ``offset``.
            offset: Skip so many.
        """

        def read(state: State, partition: int, place: Place | None, want: int) -> "Pending[Slice]":
            return self.pending(self.calls.list_tasks(partition, state, type, place, want))

        return await read_page(
            read,
            states or tuple(State),
            self.partitions,
            after=after,
            limit=limit,
            offset=offset,
        )

    async def counts(self) -> dict[tuple[str, str], int]:
        """Exact numbers by (state, type) over all partitions; those at 0 are left out."""
        out: dict[tuple[str, str], int] = {}
        for _, _, counts, _, _ in await self._raw():
            for field, value in counts.items():
                state, separator, of_type = field.partition(":")
                if separator and int(value):
                    out[state, of_type] = out.get((state, of_type), 0) + int(value)
        return out

    async def counts_by_state(self) -> dict[str, int]:
        """Exact numbers by state over all partitions, every state named."""
        out = {state.value: 0 for state in State}
        for _, _, counts, _, _ in await self._raw():
            for state in State:
                out[state.value] += int(counts.get(state.value, 0))
        return out

    async def stats(self) -> dict[str, int]:
        """Counters that only rise, summed over all partitions; see docs/keyspace.md for the fields."""
        out: dict[str, int] = {}
        for _, _, _, _, stats in await self._raw():
            for field, value in stats.items():
                if field != "about":
                    out[field] = out.get(field, 0) + int(value)
        return out

    async def queues(self) -> list[QueueDepth]:
        """Every queue and priority with its depth, highest priority first, queues by name."""
        return self.depths_of(await self._raw())

    async def counters(self) -> list[Counters]:
        """All counters of each partition, in one round trip."""
        return await self._raw()

    @staticmethod
    def depths_of(counters: Iterable[Counters]) -> list[QueueDepth]:
        """Every queue and priority with its depth, as :meth:`queues` has them."""
        depth: dict[tuple[str, int], list[int]] = {}
        paused: set[str] = set()
        for ready, paused_here, _, queues, _ in counters:
            paused |= paused_here
            for queue in queues:
                for priority in range(4):
                    row = depth.setdefault((queue, priority), [0, 0, 0])
                    stream = f"{queue}:{priority}"
                    row[0] += int(ready.get(stream, 0))
                    row[1] += int(ready.get(f"{stream}:returned", 0))
                    row[2] += int(ready.get(f"{stream}:isolated", 0))
        return [
            QueueDepth(
                queue,
                priority,
                ready=row[0],
                returned=row[1],
                isolated=row[2],
                paused=bool(paused & {"*", queue, f"{queue}:{priority}"}),
            )
            for (queue, priority), row in sorted(depth.items(), key=lambda i: (i[0][0], -i[0][1]))
        ]

    async def pause(self, target: str) -> bool:
        """Stop claims of ``<queue>``, ``<queue>:<priority>`` or ``*``; whether it was not paused before."""
        return any([await one for one in self._everywhere("pause", target)])

    async def resume(self, target: str) -> bool:
        """Allow claims again; whether it was paused before."""
        return any([await one for one in self._everywhere("resume", target)])

    async def pause_partition(self, partition: int) -> None:
        """Every script of the partition refuses to work until it is resumed: for moving its slot."""
        await self.run(self.calls.simple("partition_pause", partition))

    async def resume_partition(self, partition: int) -> None:
        """The partition's scripts work again."""
        await self.run(self.calls.simple("partition_resume", partition))

    def _everywhere(self, verb: str, *arguments: str) -> list["Pending[int]"]:
        return [
            self.pending(self.calls.simple(verb, n, *arguments)) for n in range(self.partitions)
        ]

    def _by_partition(self, ids: Iterable[str]) -> list[tuple[int, list[str]]]:
        """Ids by partition in slices that fit a call; ids of partitions nobody serves are left out."""
        parts: dict[int, list[str]] = {}
        for task_id in dict.fromkeys(ids):
            partition = partition_of(task_id)
            if partition < self.partitions:
                parts.setdefault(partition, []).append(task_id)
        return [
            (partition, part[at : at + MAX_TASKS])
            for partition, part in parts.items()
            for at in range(0, len(part), MAX_TASKS)
        ]

    async def _raw(self) -> list[Counters]:
        pending = [self.pending(self.calls.queues(n)) for n in range(self.partitions)]
        out = []
        for one in pending:
            ready, paused, counts, queues, stats = await one
            out.append(
                Counters(
                    _pairs(ready),
                    {name.decode() for name in paused},
                    _pairs(counts),
                    sorted(name.decode() for name in queues),
                    _pairs(stats),
                )
            )
        return out


def _pairs(flat: list[Any]) -> dict[str, str]:
    return {
        name.decode(): value.decode() for name, value in zip(flat[0::2], flat[1::2], strict=True)
    }
