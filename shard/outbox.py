"""Delivers the notices of dependencies that stand in the outboxes of this shard's partitions.

Whoever serves a partition delivers its notices, and takes them for a few seconds while he does; one who
dies in the middle leaves them to the next. A partition that can't be reached is left alone for a while,
so that notices for others do not wait behind its own.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.broker.outbox import MAX_NOTICES, Notice, Outboxes
from shoal.errors import BrokerUnavailable, PartitionPaused, ShoalError
from shoal.model.backoff import Backoff
from shoal.model.identity import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from shoal.broker.broker import Broker
    from shoal.shard.slice import Slice
    from shoal.telemetry.metrics import Metrics

#: How often outboxes are looked into although nothing was heard, in seconds.
POLL_S: Final = 1.0
#: How long a partition that can't be reached is left alone, at first and at most, in seconds.
_FIRST_BACKOFF_S: Final = 0.5
_LAST_BACKOFF_S: Final = 30.0


class _Target:
    """What is known of a partition that notices go to."""

    def __init__(self, rng: Random) -> None:
        self._backoff = Backoff(_FIRST_BACKOFF_S, _LAST_BACKOFF_S, rng)
        self._again_s = 0.0

    def failed(self) -> None:
        """It could not be reached."""
        # At least a tenth of a second, so that a partition that is away is not asked in a circle.
        self._again_s = time.monotonic() + 0.1 + self._backoff.next_s()

    def answered(self) -> None:
        """It was reached."""
        self._backoff.reset()
        self._again_s = 0.0

    @property
    def wait_s(self) -> float:
        """For how much longer it is left alone; 0 = it may be asked."""
        return max(0.0, self._again_s - time.monotonic())


class Outbox:
    """Delivers for one incarnation.

    Args:
        broker: Connected.
        slice: Whose outboxes.
        metrics: Of this process.
        rng: Spreads what is tried again.
    """

    def __init__(self, broker: Broker, slice: Slice, *, metrics: Metrics, rng: Random) -> None:
        self._outboxes = Outboxes(broker)
        self._partitions = broker.partitions
        self._slice = slice
        self._metrics = metrics
        self._rng = rng
        self._targets: dict[int, _Target] = {}
        self._wanted: set[int] = set()
        self._busy: set[int] = set()
        self._heard = asyncio.Event()
        #: By partition, when the oldest notice was written that could not be delivered (ms).
        self._stuck: dict[int, int] = {}

    def heard(self, partition: int) -> None:
        """There are new notices in a partition."""
        if partition in self._slice.own:
            self._wanted.add(partition)
            self._heard.set()

    async def run(self) -> None:
        """Deliver whatever there is, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    async with asyncio.timeout(POLL_S * self._rng.uniform(0.9, 1.1)):
                        await self._heard.wait()
                except TimeoutError:
                    self._wanted |= self._slice.own
                self._heard.clear()
                for partition in self._wanted - self._busy:
                    self._busy.add(partition)
                    group.create_task(self._empty(partition), name="shoal-outbox")

    async def _empty(self, partition: int) -> None:
        """Deliver what is due in one partition, and what comes meanwhile."""
        try:
            while partition in self._wanted:
                self._wanted.discard(partition)
                await self.run_once(partition)
        except (BrokerUnavailable, PartitionPaused):
            pass  # what was taken is due again by itself
        except ShoalError as error:
            logger.error("the notices of partition {} can't be delivered: {}", partition, error)
        finally:
            self._busy.discard(partition)

    async def run_once(self, partition: int) -> int:
        """Deliver what is due in the outbox of one partition.

        Returns:
            How many notices were delivered.

        Raises:
            BrokerUnavailable, PartitionPaused: That partition can't be reached.
        """
        delivered = 0
        stuck: list[int] = []
        while True:
            taken = await self._outboxes.take(partition)
            for target, notices in _by_target(taken.notices):
                if await self._watch(partition, target, notices):
                    delivered += len(notices)
                else:
                    stuck += [notice.written_ms for notice in notices]
            for notice in taken.notices:
                if notice.kind == "finished":
                    if await self._finished(partition, notice):
                        delivered += 1
                    else:
                        stuck.append(notice.written_ms)
            if not taken.notices:
                self._show_age(partition, taken.now_ms, taken.standing, stuck)
                return delivered

    async def _watch(self, partition: int, target: int, notices: Sequence[Notice]) -> bool:
        """Let children that stand here wait for parents that stand there."""
        there = self._target(target)
        if not there.wait_s:
            try:
                pairs = [(notice.parent, notice.child) for notice in notices]
                answers = await self._outboxes.watch(target, pairs)
                there.answered()
            except (BrokerUnavailable, PartitionPaused):
                there.failed()
            else:
                ends = [
                    (notice.parent, how, notice.child)
                    for notice, how in zip(notices, answers, strict=True)
                    if how != "watching"
                ]
                if ends:
                    await self._outboxes.resolve(partition, ends)
                await self._outboxes.done(partition, notices)
                self._metrics.notices.labels("watch").inc(len(notices))
                return True
        await self._outboxes.later(partition, notices, there.wait_s)
        return False

    async def _finished(self, partition: int, notice: Notice) -> bool:
        """Tell the dependents of a parent that it has ended, wherever they are."""
        first = 0
        told: tuple[str, ...] = ()
        wait_s: float | None = None
        while True:
            step = await self._outboxes.dependents(partition, notice, first, told)
            if step.status != "slice":
                break
            told = ()
            there = self._target(step.partition)
            if not there.wait_s:
                ends = [(notice.parent, notice.state, child) for child in step.ids]
                try:
                    await self._outboxes.resolve(step.partition, ends)
                    there.answered()
                    told = step.ids
                except (BrokerUnavailable, PartitionPaused):
                    if step.partition == partition:
                        raise
                    there.failed()
            if not told:
                wait_s = there.wait_s if wait_s is None else min(wait_s, there.wait_s)
                first = step.partition + 1
        if step.status == "later":
            await self._outboxes.later(partition, [notice], wait_s or 0.0)
            return False
        self._metrics.notices.labels("finished").inc()
        return True

    def _target(self, partition: int) -> _Target:
        target = self._targets.setdefault(partition, _Target(self._rng))
        if partition >= self._partitions:
            # Partitions were added, and this process does not know them yet.
            target.failed()
        return target

    def _show_age(self, partition: int, now_ms: int, standing: int, stuck: list[int]) -> None:
        """What waits for a partition that is away stays on record until the outbox is empty."""
        if stuck:
            self._stuck[partition] = min([*stuck, self._stuck.get(partition, now_ms)])
        elif not standing:
            self._stuck.pop(partition, None)
        oldest = min(self._stuck.values(), default=now_ms)
        self._metrics.outbox_age.set(max(0, now_ms - oldest) / 1000)


def _by_target(notices: Sequence[Notice]) -> Iterator[tuple[int, list[Notice]]]:
    """The ``watch`` notices by the partition that they go to."""
    parts: dict[int, list[Notice]] = {}
    for notice in notices:
        if notice.kind == "watch":
            parts.setdefault(partition_of(notice.parent), []).append(notice)
    for target, part in parts.items():
        for at in range(0, len(part), MAX_NOTICES):
            yield target, part[at : at + MAX_NOTICES]
