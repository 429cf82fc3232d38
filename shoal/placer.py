"""Finds each submission its partition, and repeats it there until Redis has answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from shoal.broker.results import Submission, Submitted
from shoal.clock import mono_s, wall_ms
from shoal.errors import (
    BrokerUnavailable,
    InvalidTask,
    PartitionPaused,
    ShoalError,
    UnknownDependency,
)
from shoal.model.identity import TaskIds, partition_of
from shoal.model.partition import partition_of_key
from shoal.round_trips import refusal_of, submission_of
from shoal.sealed import seal_spec
from shoal.submission import Plan

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.vault import Vault

#: How long, in round-trip timeouts, an unanswered submission is repeated.
_PATIENCE = 3
_FIRST_BACKOFF_S = 0.02
_LAST_BACKOFF_S = 0.5


class Placer:
    """Makes ids and brings batches to partitions, over one broker.

    Args:
        broker: Connected.
        timeout_s: SHOAL_REDIS_TIMEOUT; what is not answered is repeated for three of these.
        vault: Seals payloads; ``None`` = they are stored as they are.
    """

    def __init__(self, broker: Broker, timeout_s: float, vault: Vault | None = None) -> None:
        self.broker = broker
        self._vault = vault
        #: How long an unanswered submission is repeated, in seconds.
        self.patience_s = _PATIENCE * timeout_s
        # SystemRandom: a fork must not make the same ids as its parent.
        self._ids = TaskIds(wall_ms, random.SystemRandom())
        self._next = random.randrange(broker.submit_partitions)

    def next_partition(self) -> int:
        """Where the next task may go; in turn."""
        self._next = (self._next + 1) % self.broker.submit_partitions
        return self._next

    def partition_for(self, plan: Plan) -> int:
        """Where a task that is bound to no partition goes first: where its first parent is, if it has one."""
        if plan.depends_on:
            partition = partition_of(plan.depends_on[0])
            if partition < self.broker.submit_partitions:
                return partition
        return self.next_partition()

    def _candidates(self, plans: Sequence[Plan]) -> Iterator[int]:
        """Where a batch may go: every partition once."""
        first = self.partition_for(plans[0]) if plans[0].depends_on else None
        if first is not None:
            yield first
        for _ in range(self.broker.submit_partitions):
            partition = self.next_partition()
            if partition != first:
                yield partition

    def new_id(self, partition: int) -> str:
        """A new task id in this partition."""
        return self._ids.new(partition)

    def submission(self, task_id: str, plan: Plan, spec: bytes) -> Submission:
        """What the broker takes; the payload is sealed here, where the task's id is known."""
        if self._vault is not None:
            spec = seal_spec(self._vault, task_id, plan.header, spec)
        return submission_of(task_id, plan, spec)

    def partition_of_key(self, key: str) -> int:
        """The partition that a unique key belongs to."""
        return partition_of_key(key, self.broker.agreed.key_partitions)

    def own_id(self, plan: Plan) -> str:
        """The id of a task that has one, or whose unique key decides its partition."""
        if plan.task_id is None:
            return self.new_id(self.partition_of_key(plan.unique_key or ""))
        partition = partition_of(plan.task_id)
        if partition >= self.broker.partitions:
            raise InvalidTask(
                f"task_id {plan.task_id} belongs to partition {partition}, "
                f"and there are only {self.broker.partitions}"
            )
        return plan.task_id

    async def keep_id(self, task_id: str, plan: Plan, spec: bytes) -> str:
        """Submit what belongs to one partition, because of its id or its unique key."""
        batch = [self.submission(task_id, plan, spec)]
        deadline_s = mono_s() + self.patience_s
        [stored] = await self.deliver(partition_of(task_id), batch, deadline_s)
        if (refusal := refusal_of(stored)) is not None:
            raise refusal
        return stored.id

    async def store(
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
            batch = [self.submission(i, plans[k], specs[k]) for i, k in zip(new, left, strict=True)]
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
                return await self.broker.submit(partition, batch)
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
