"""Submits tasks: what is submitted at the same time shares round trips."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shoal.broker.results import Submission
from shoal.clock import mono_s
from shoal.errors import (
    BrokerUnavailable,
    InvalidTask,
    ShoalError,
    UnknownDependency,
)
from shoal.model.identity import partition_of
from shoal.parents import Parents
from shoal.placer import Placer
from shoal.round_trips import (
    MAX_BYTES_PER_FLUSH,
    MAX_TASKS_PER_FLUSH,
    Item,
    item_slices,
    refusal_of,
    slices_of,
    summary,
    told,
)
from shoal.submission import Plan

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.vault import Vault

#: Round trips in flight at once.
MAX_FLUSHES = 4

_Fill = Callable[[Sequence[int], Sequence[str | ShoalError]], None]


class _Waiting(NamedTuple):
    plan: Plan
    spec: bytes
    stored: asyncio.Future[str]
    #: Monotonic.
    since_s: float


class Submitter(Placer):
    """Submits over one broker, in one event loop.

    Single submissions made at the same time share round trips (group commit); a caller that is
    cancelled cancels nothing that was handed over.

    Args:
        broker: Connected.
        timeout_s: SHOAL_REDIS_TIMEOUT; what is not answered is repeated for three of these.
        vault: Seals payloads; ``None`` = they are stored as they are.
    """

    def __init__(self, broker: Broker, timeout_s: float, vault: Vault | None = None) -> None:
        super().__init__(broker, timeout_s, vault)
        #: Looks up what tasks depend on.
        self.parents = Parents(broker)
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
            return await self.keep_id(self.own_id(plan), plan, spec)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(plan, spec, loop.create_future(), mono_s())
        self._waiting.append(waiting)
        if self._active < min(MAX_FLUSHES, self.broker.submit_partitions):
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
            return await self.keep_id(self.own_id(seen), seen, spec)
        [stored], failure = await self.store([seen], [spec], deadline_s)
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
                ids, failure = await self.store([plan] * (end - start), specs[start:end])
                stored[start:end] = ids
                if failure is not None:
                    failures.append(failure)
                if failures:
                    return

        count = min(
            MAX_FLUSHES, self.broker.submit_partitions, -(-len(specs) // MAX_TASKS_PER_FLUSH)
        )
        if count <= 1:
            await work()
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(work())
        if failures:
            raise summary(failures, stored)
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
                task_id = self.own_id(plan)
            except InvalidTask as error:
                results[place] = error
            else:
                bound.setdefault(partition_of(task_id), []).append((place, task_id))

        def fill(places: Sequence[int], found: Sequence[str | ShoalError]) -> None:
            for place, result in zip(places, found, strict=True):
                results[place] = result

        for start, end in item_slices([items[place] for place in free]):
            part = free[start:end]
            yield self._store_part([items[place] for place in part], deadline_s, part, fill)
        for partition, owners in bound.items():
            for start, end in item_slices([items[place] for place, _ in owners]):
                places = [place for place, _ in owners[start:end]]
                batch = [self.submission(task_id, *items[n]) for n, task_id in owners[start:end]]
                yield self._keep_part(partition, batch, deadline_s, places, fill)

    async def _store_part(
        self, items: Sequence[Item], deadline_s: float, places: Sequence[int], fill: _Fill
    ) -> None:
        plans, specs = [plan for plan, _ in items], [spec for _, spec in items]
        fill(places, told(*await self.store(plans, specs, deadline_s)))

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
            fill(places, told([None] * len(batch), error))
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
            ids, failure = await self.store(plans, [item.spec for item in batch], deadline_s)
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


def _answer(
    batch: Sequence[_Waiting], ids: Sequence[str | None], failure: ShoalError | None
) -> None:
    """Tell each caller what became of its submission, and no other's."""
    for item, result in zip(batch, told(ids, failure), strict=True):
        if item.stored.done():  # the caller was cancelled
            continue
        if isinstance(result, ShoalError):
            item.stored.set_exception(result)
        else:
            item.stored.set_result(result)
