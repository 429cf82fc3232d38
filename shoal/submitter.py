"""Brings submissions to Redis: many a round trip, safely repeated, around a full partition."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shoal.broker.results import Submission, Submitted
from shoal.clock import mono_s, wall_ms
from shoal.errors import (
    BrokerUnavailable,
    InvalidTask,
    PartitionPaused,
    QueueFull,
    ShoalError,
    TooManyQueues,
    TooManyTypes,
    UnknownDependency,
)
from shoal.model.identity import TaskIds, partition_of
from shoal.model.partition import partition_of_key
from shoal.parents import Parents, tokens, unknown_parent
from shoal.submission import Plan

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

#: Tasks in one round trip: enough to share its cost, few enough to hold Redis up for 3 ms only.
MAX_TASKS_PER_FLUSH = 200
MAX_BYTES_PER_FLUSH = 2 * 1024 * 1024
#: Parents that one round trip may name, of all its tasks together; a single task may name as many by itself.
MAX_PARENTS_PER_FLUSH = 1000
#: Round trips in flight at once.
MAX_FLUSHES = 4
#: How long, in round-trip timeouts, an unanswered submission is repeated.
_PATIENCE = 3
_FIRST_BACKOFF_S = 0.02
_LAST_BACKOFF_S = 0.5
_REFUSALS: dict[str, type[QueueFull | TooManyTypes | TooManyQueues]] = {
    "queue_full": QueueFull,
    "too_many_types": TooManyTypes,
    "too_many_queues": TooManyQueues,
}


#: A task to be submitted: its plan and its spec.
Item = tuple[Plan, bytes]
_Fill = Callable[[Sequence[int], Sequence[str | ShoalError]], None]


class _Waiting(NamedTuple):
    plan: Plan
    spec: bytes
    stored: asyncio.Future[str]
    #: Monotonic.
    since_s: float


class Submitter:
    """Submits over one broker, in one event loop.

    Single submissions made at the same time share round trips (group commit); a caller that is
    cancelled cancels nothing that was handed over.

    Args:
        broker: Connected.
        timeout_s: SHOAL_REDIS_TIMEOUT; what is not answered is repeated for three of these.
    """

    def __init__(self, broker: Broker, timeout_s: float) -> None:
        self._broker = broker
        #: How long an unanswered submission is repeated, in seconds.
        self.patience_s = _PATIENCE * timeout_s
        #: Looks up what tasks depend on.
        self.parents = Parents(broker)
        # SystemRandom: a fork must not make the same ids as its parent.
        self._ids = TaskIds(wall_ms, random.SystemRandom())
        self._next = random.randrange(broker.submit_partitions)
        self._waiting: deque[_Waiting] = deque()
        self._flushes: set[asyncio.Task[None]] = set()
        # Flushes that will still look at what waits; a task stays in the set a little longer.
        self._active = 0

    async def one(self, plan: Plan, spec: bytes) -> str:
        """Submit one task and return its id: the standing task's if its unique key is taken.

        Raises:
            QueueFull, TooManyTypes, TooManyQueues: A limit refused it.
            UnknownDependency: There is no such task to depend on.
            PartitionPaused: Every partition it may go to is paused.
            BrokerUnavailable: No answer in time, with the id if the outcome is unknown.
        """
        if plan.depends_on:
            return await self._dependent(plan, spec)
        if plan.task_id is not None or plan.unique_key is not None:
            return await self._keep_id(self._own_id(plan), plan, spec)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(plan, spec, loop.create_future(), mono_s())
        self._waiting.append(waiting)
        if self._active < min(MAX_FLUSHES, self._broker.submit_partitions):
            self._active += 1
            flush = loop.create_task(self._flush(), name="shoal-submit")
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        return await waiting.stored

    async def _dependent(self, plan: Plan, spec: bytes) -> str:
        deadline_s = mono_s() + self.patience_s
        [seen] = await self.parents.seen([plan], deadline_s)
        if isinstance(seen, UnknownDependency):
            raise seen
        if plan.task_id is not None or plan.unique_key is not None:
            return await self._keep_id(self._own_id(seen), seen, spec)
        [stored], failure = await self._store([seen], [spec], deadline_s)
        if failure is not None or stored is None:
            raise failure or BrokerUnavailable()
        return stored

    async def many(self, plan: Plan, specs: Sequence[bytes]) -> list[str]:
        """Submit tasks that differ only in their payloads; their ids, in order.

        Raises:
            As ``one``, when something was not stored; the error says what was.
        """
        stored: list[str | None] = [None] * len(specs)
        failures: list[ShoalError] = []
        if plan.depends_on:
            [seen] = await self.parents.seen([plan], mono_s() + self.patience_s)
            if isinstance(seen, UnknownDependency):
                raise seen
            plan = seen
        slices = slices_of(specs, [len(plan.depends_on)] * len(specs))

        async def work() -> None:
            for start, end in slices:
                ids, failure = await self._store([plan] * (end - start), specs[start:end])
                stored[start:end] = ids
                if failure is not None:
                    failures.append(failure)
                if failures:
                    return

        count = min(
            MAX_FLUSHES, self._broker.submit_partitions, -(-len(specs) // MAX_TASKS_PER_FLUSH)
        )
        if count <= 1:
            await work()
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(work())
        if failures:
            raise _summary(failures, stored)
        return [task_id for task_id in stored if task_id is not None]

    async def each(self, items: Sequence[Item]) -> list[str | ShoalError]:
        """Submit different tasks; in order, each one's id, or why it was not stored.

        A plan's ``task_id`` and ``unique_key`` decide its partition; the others go where there is
        room. One that is refused keeps no other from being stored.
        """
        results: list[str | ShoalError] = [BrokerUnavailable()] * len(items)
        deadline_s = mono_s() + self.patience_s
        if any(plan.depends_on for plan, _ in items):
            try:
                seen = await self.parents.seen([plan for plan, _ in items], deadline_s)
            except BrokerUnavailable as error:
                return [copy.copy(error) for _ in items]
            items = list(items)
            for place, plan in enumerate(seen):
                if isinstance(plan, UnknownDependency):
                    results[place] = plan
                else:
                    items[place] = (plan, items[place][1])
        work = deque(self._parcels(items, results, deadline_s))

        async def take() -> None:
            while work:
                await work.popleft()

        async with asyncio.TaskGroup() as group:
            for _ in range(min(MAX_FLUSHES, len(work))):
                group.create_task(take())
        return results

    def _parcels(
        self, items: Sequence[Item], results: list[str | ShoalError], deadline_s: float
    ) -> Iterator[Coroutine[None, None, None]]:
        """What is to be done for different tasks, a round trip each; it fills ``results``."""
        free: list[int] = []
        bound: dict[int, list[tuple[int, str]]] = {}
        for place, (plan, _) in enumerate(items):
            if isinstance(results[place], UnknownDependency):
                continue
            if plan.task_id is None and plan.unique_key is None:
                free.append(place)
                continue
            try:
                task_id = self._own_id(plan)
            except InvalidTask as error:
                results[place] = error
            else:
                bound.setdefault(partition_of(task_id), []).append((place, task_id))

        def fill(places: Sequence[int], told: Sequence[str | ShoalError]) -> None:
            for place, result in zip(places, told, strict=True):
                results[place] = result

        for start, end in _item_slices([items[place] for place in free]):
            part = free[start:end]
            yield self._store_part([items[place] for place in part], deadline_s, part, fill)
        for partition, owners in bound.items():
            for start, end in _item_slices([items[place] for place, _ in owners]):
                places = [place for place, _ in owners[start:end]]
                batch = [submission_of(task_id, *items[n]) for n, task_id in owners[start:end]]
                yield self._keep_part(partition, batch, deadline_s, places, fill)

    async def _store_part(
        self, items: Sequence[Item], deadline_s: float, places: Sequence[int], fill: _Fill
    ) -> None:
        plans, specs = [plan for plan, _ in items], [spec for _, spec in items]
        fill(places, _told(*await self._store(plans, specs, deadline_s)))

    async def _keep_part(
        self,
        partition: int,
        batch: list[Submission],
        deadline_s: float,
        places: Sequence[int],
        fill: _Fill,
    ) -> None:
        try:
            answers = await self.deliver(partition, batch, deadline_s)
        except ShoalError as error:
            fill(places, _told([None] * len(batch), error))
        else:
            fill(places, [refusal_of(answer) or answer.id for answer in answers])

    async def aclose(self) -> None:
        """Wait for what was handed over."""
        while self._flushes:
            await asyncio.wait(set(self._flushes))

    async def _flush(self) -> None:
        """Store what waits, and what comes while that is under way."""
        try:
            while self._waiting:
                await self._flush_batch()
        finally:
            self._active -= 1

    async def _flush_batch(self) -> None:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_TASKS_PER_FLUSH:
            size += len(self._waiting[0].spec)
            if batch and size > MAX_BYTES_PER_FLUSH:
                break
            batch.append(self._waiting.popleft())
        deadline_s = batch[0].since_s + self.patience_s
        if mono_s() >= deadline_s:
            # Redis is away, and others were tried for so long while these waited behind them.
            _answer(batch, [None] * len(batch), BrokerUnavailable())
            return
        try:
            plans = [item.plan for item in batch]
            ids, failure = await self._store(plans, [item.spec for item in batch], deadline_s)
        except Exception as error:  # noqa: BLE001 - told to those who wait for it
            for item in batch:
                if not item.stored.done():
                    item.stored.set_exception(error)
            return
        except BaseException:
            for item in batch:
                item.stored.cancel()
            raise
        _answer(batch, ids, failure)

    def next_partition(self) -> int:
        """Where the next task may go; in turn."""
        self._next = (self._next + 1) % self._broker.submit_partitions
        return self._next

    def partition_for(self, plan: Plan) -> int:
        """Where a task that is bound to no partition goes first: where its first parent is, if it has one."""
        if plan.depends_on:
            partition = partition_of(plan.depends_on[0])
            if partition < self._broker.submit_partitions:
                return partition
        return self.next_partition()

    def _candidates(self, plans: Sequence[Plan]) -> Iterator[int]:
        """Where a batch may go: every partition once."""
        first = self.partition_for(plans[0]) if plans[0].depends_on else None
        if first is not None:
            yield first
        for _ in range(self._broker.submit_partitions):
            partition = self.next_partition()
            if partition != first:
                yield partition

    def new_id(self, partition: int) -> str:
        """A new task id in this partition."""
        return self._ids.new(partition)

    def partition_of_key(self, key: str) -> int:
        """The partition that a unique key belongs to."""
        return partition_of_key(key, self._broker.agreed.key_partitions)

    def _own_id(self, plan: Plan) -> str:
        """The id of a task that has one, or whose unique key decides its partition."""
        if plan.task_id is None:
            return self.new_id(self.partition_of_key(plan.unique_key or ""))
        partition = partition_of(plan.task_id)
        if partition >= self._broker.partitions:
            raise InvalidTask(
                f"task_id {plan.task_id} belongs to partition {partition}, "
                f"and there are only {self._broker.partitions}"
            )
        return plan.task_id

    async def _keep_id(self, task_id: str, plan: Plan, spec: bytes) -> str:
        """Submit what belongs to one partition, because of its id or its unique key."""
        batch = [submission_of(task_id, plan, spec)]
        deadline_s = mono_s() + self.patience_s
        [stored] = await self.deliver(partition_of(task_id), batch, deadline_s)
        if (refusal := refusal_of(stored)) is not None:
            raise refusal
        return stored.id

    async def _store(
        self, plans: Sequence[Plan], specs: Sequence[bytes], deadline_s: float | None = None
    ) -> tuple[list[str | None], ShoalError | None]:
        """Store one batch in whichever partition has room.

        Args:
            plans: Of each.
            specs: Of each.
            deadline_s: Until when an unanswered call is repeated, monotonic; ``None`` = from now
                on as long as patience lasts.

        Returns:
            Each one's id, ``None`` if it was not stored, and then the reason.
        """
        if deadline_s is None:
            deadline_s = mono_s() + self.patience_s
        ids: list[str | None] = [None] * len(plans)
        left = list(range(len(plans)))
        failure: ShoalError | None = None
        for partition in self._candidates(plans):
            new = self._ids.batch(partition, len(left))
            batch = [submission_of(i, plans[k], specs[k]) for i, k in zip(new, left, strict=True)]
            try:
                answers = await self.deliver(partition, batch, deadline_s)
            except PartitionPaused as error:
                failure = error
                continue
            except ShoalError as error:
                # Not elsewhere: this may have been stored here.
                return ids, error
            refused = []
            for k, answer in zip(left, answers, strict=True):
                if (refusal := refusal_of(answer)) is not None:
                    failure = refusal
                    # A parent that is gone since is not to be found elsewhere.
                    if not isinstance(refusal, UnknownDependency):
                        refused.append(k)
                else:
                    ids[k] = answer.id
            left = refused
            if not left:
                return ids, None if all(ids) else failure
        return ids, failure

    async def deliver(
        self, partition: int, batch: list[Submission], deadline_s: float
    ) -> list[Submitted]:
        """One script call, repeated with the same ids until it is answered or the deadline (monotonic)."""
        is_unknown = False
        backoff_s = _FIRST_BACKOFF_S
        while True:
            try:
                return await self._broker.submit(partition, batch)
            except BrokerUnavailable as error:
                is_unknown = is_unknown or error.outcome_unknown
                failure: ShoalError = error
            except PartitionPaused as error:
                if not is_unknown:
                    raise
                failure = error
            if mono_s() >= deadline_s:
                ids = [item.id for item in batch] if is_unknown else ()
                raise BrokerUnavailable(
                    str(failure), outcome_unknown=is_unknown, ids=ids
                ) from failure
            await asyncio.sleep(random.uniform(0, backoff_s))
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)


def submission_of(task_id: str, plan: Plan, spec: bytes) -> Submission:
    """What the broker takes."""
    return Submission(
        task_id,
        plan.type,
        plan.queue,
        plan.priority,
        spec,
        plan.due_s,
        plan.delay_s,
        plan.unique_key,
        plan.retention_s,
        tokens(plan, task_id) if plan.depends_on else (),
        plan.runs_anyway,
    )


def refusal_of(answer: Submitted) -> ShoalError | None:
    """Why a task was not accepted; ``None``: it was, or stood already."""
    if answer.status == "unknown_parent":
        return unknown_parent(answer.id)
    refusal = _REFUSALS.get(answer.status)
    return None if refusal is None else refusal()


def _answer(
    batch: Sequence[_Waiting], ids: Sequence[str | None], failure: ShoalError | None
) -> None:
    """Tell each caller what became of its submission, and no other's."""
    for item, result in zip(batch, _told(ids, failure), strict=True):
        if item.stored.done():  # the caller was cancelled
            continue
        if isinstance(result, ShoalError):
            item.stored.set_exception(result)
        else:
            item.stored.set_result(result)


def _told(ids: Sequence[str | None], failure: ShoalError | None) -> list[str | ShoalError]:
    """Each one's id, or its own error, which names its own id at most."""
    unknown = iter(failure.ids if isinstance(failure, BrokerUnavailable) else ())
    told: list[str | ShoalError] = []
    for task_id in ids:
        if task_id is not None:
            told.append(task_id)
            continue
        error = copy.copy(failure) or BrokerUnavailable()
        if isinstance(error, BrokerUnavailable):
            error.ids = tuple(own for own in [next(unknown, None)] if own is not None)
        told.append(error)
    return told


def slices_of(specs: Sequence[bytes], parents: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each round trip begins and ends; ``parents`` says how many each task has."""
    start = size = named = 0
    for place, (spec, more) in enumerate(zip(specs, parents, strict=True)):
        size += len(spec)
        named += more
        if place > start and (
            place - start >= MAX_TASKS_PER_FLUSH
            or size > MAX_BYTES_PER_FLUSH
            or named > MAX_PARENTS_PER_FLUSH
        ):
            yield start, place
            start, size, named = place, len(spec), more
    if start < len(specs):
        yield start, len(specs)


def _item_slices(items: Sequence[Item]) -> Iterator[tuple[int, int]]:
    return slices_of([spec for _, spec in items], [len(plan.depends_on) for plan, _ in items])


def _summary(failures: Sequence[ShoalError], stored: Sequence[str | None]) -> ShoalError:
    """One error that says what was accepted and what was not."""
    unknown = [i for error in failures if isinstance(error, BrokerUnavailable) for i in error.ids]
    error = copy.copy(
        next((error for error in failures if isinstance(error, BrokerUnavailable)), failures[0])
    )
    if isinstance(error, BrokerUnavailable):
        error.ids = tuple(unknown)
        error.outcome_unknown = bool(unknown)
    error.accepted = tuple(task_id for task_id in stored if task_id is not None)
    error.refused = tuple(place for place, task_id in enumerate(stored) if task_id is None)
    error.args = (f"{len(error.accepted)} of {len(stored)} tasks were accepted: {error}",)
    return error
