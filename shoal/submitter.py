"""Brings submissions to Redis: many a round trip, safely repeated, around a full partition."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import deque
from collections.abc import Iterator, Sequence
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
)
from shoal.model.identity import TaskIds, partition_of
from shoal.model.partition import partition_of_key
from shoal.submission import Plan

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

#: Tasks in one round trip: enough to share its cost, few enough to hold Redis up for 3 ms only.
MAX_TASKS_PER_FLUSH = 200
MAX_BYTES_PER_FLUSH = 2 * 1024 * 1024
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


class _Waiting(NamedTuple):
    plan: Plan
    spec: bytes
    stored: asyncio.Future[str]


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
        self._patience_s = _PATIENCE * timeout_s
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
            PartitionPaused: Every partition it may go to is paused.
            BrokerUnavailable: No answer in time, with the id if the outcome is unknown.
        """
        if plan.task_id is not None:
            return await self._keep_id(plan.task_id, plan, spec)
        if plan.unique_key is not None:
            partition = partition_of_key(plan.unique_key, self._broker.agreed.key_partitions)
            return await self._keep_id(self._ids.new(partition), plan, spec)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(plan, spec, loop.create_future())
        self._waiting.append(waiting)
        if self._active < min(MAX_FLUSHES, self._broker.submit_partitions):
            self._active += 1
            flush = loop.create_task(self._flush(), name="shoal-submit")
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        return await waiting.stored

    async def many(self, plan: Plan, specs: Sequence[bytes]) -> list[str]:
        """Submit tasks that differ only in their payloads; their ids, in order.

        Raises:
            As ``one``, when something was not stored; the error says what was.
        """
        stored: list[str | None] = [None] * len(specs)
        failures: list[ShoalError] = []
        slices = _slices(specs)

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
        try:
            plans = [item.plan for item in batch]
            ids, failure = await self._store(plans, [item.spec for item in batch])
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

    async def _keep_id(self, task_id: str, plan: Plan, spec: bytes) -> str:
        """Submit what belongs to one partition, because of its id or its unique key."""
        partition = partition_of(task_id)
        if partition >= self._broker.partitions:
            raise InvalidTask(
                f"task_id {task_id} belongs to partition {partition}, "
                f"and there are only {self._broker.partitions}"
            )
        [stored] = await self._deliver(partition, [_submission(task_id, plan, spec)])
        if (refusal := _REFUSALS.get(stored.status)) is not None:
            raise refusal
        return stored.id

    async def _store(
        self, plans: Sequence[Plan], specs: Sequence[bytes]
    ) -> tuple[list[str | None], ShoalError | None]:
        """Store one batch in whichever partition has room.

        Returns:
            Each one's id, ``None`` if it was not stored, and then the reason.
        """
        ids: list[str | None] = [None] * len(plans)
        left = list(range(len(plans)))
        failure: ShoalError | None = None
        for _ in range(self._broker.submit_partitions):
            partition = self._next = (self._next + 1) % self._broker.submit_partitions
            new = self._ids.batch(partition, len(left))
            batch = [_submission(i, plans[k], specs[k]) for i, k in zip(new, left, strict=True)]
            try:
                answers = await self._deliver(partition, batch)
            except PartitionPaused as error:
                failure = error
                continue
            except ShoalError as error:
                # Not elsewhere: this may have been stored here.
                return ids, error
            refused = []
            for k, answer in zip(left, answers, strict=True):
                if (refusal := _REFUSALS.get(answer.status)) is not None:
                    refused.append(k)
                    failure = refusal()
                else:
                    ids[k] = answer.id
            left = refused
            if not left:
                return ids, None
        return ids, failure

    async def _deliver(self, partition: int, batch: list[Submission]) -> list[Submitted]:
        """One script call, repeated with the same ids until it is answered or patience ends."""
        deadline = mono_s() + self._patience_s
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
            if mono_s() >= deadline:
                ids = [item.id for item in batch] if is_unknown else ()
                raise BrokerUnavailable(
                    str(failure), outcome_unknown=is_unknown, ids=ids
                ) from failure
            await asyncio.sleep(random.uniform(0, backoff_s))
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)


def _submission(task_id: str, plan: Plan, spec: bytes) -> Submission:
    return Submission(
        task_id,
        plan.type,
        plan.queue,
        plan.priority,
        spec,
        plan.due_s,
        plan.delay_s,
        plan.unique_key,
    )


def _answer(
    batch: Sequence[_Waiting], ids: Sequence[str | None], failure: ShoalError | None
) -> None:
    """Tell each caller what became of its submission, and no other's."""
    unknown = iter(failure.ids if isinstance(failure, BrokerUnavailable) else ())
    for item, task_id in zip(batch, ids, strict=True):
        error: ShoalError | None = None
        if task_id is None:
            error = copy.copy(failure) or BrokerUnavailable()
            if isinstance(error, BrokerUnavailable):
                error.ids = tuple(own for own in [next(unknown, None)] if own is not None)
        if item.stored.done():  # the caller was cancelled
            continue
        if error is not None:
            item.stored.set_exception(error)
        elif task_id is not None:
            item.stored.set_result(task_id)


def _slices(specs: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Where each round trip begins and ends."""
    start = size = 0
    for place, spec in enumerate(specs):
        size += len(spec)
        if place > start and (place - start >= MAX_TASKS_PER_FLUSH or size > MAX_BYTES_PER_FLUSH):
            yield start, place
            start, size = place, len(spec)
    if start < len(specs):
        yield start, len(specs)


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
