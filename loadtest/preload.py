"""Fill the queues before the workers come: many tasks, mixed types, spread over all partitions."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from typing import Final

from loadtest.failure import BenchmarkFailed
from loadtest.workload import BATCH, PAYLOAD, PRIORITIES, TYPES
from shoal.broker.broker import Broker
from shoal.broker.results import Submission
from shoal.codec import encode_spec
from shoal.model.identity import TaskIds

QUEUE: Final = "default"
IN_FLIGHT: Final = 4
ALL_PRIORITIES: Final = tuple(range(PRIORITIES))


class Mixer:
    """Makes batches of submissions in which the types and priorities go round."""

    def __init__(self) -> None:
        self._ids = TaskIds(lambda: time.time_ns() // 1_000_000, random.Random())
        self._spec = encode_spec(PAYLOAD, retry=None, timeout_s=None, metadata=None)

    def batch(
        self,
        partition: int,
        size: int,
        types: Sequence[str] = TYPES,
        priorities: Sequence[int] = ALL_PRIORITIES,
    ) -> list[Submission]:
        """``size`` tasks for one partition, all with a payload of 100 bytes."""
        return [
            Submission(
                task, types[k % len(types)], QUEUE, priorities[k % len(priorities)], self._spec
            )
            for k, task in enumerate(self._ids.batch(partition, size))
        ]


async def preload(
    broker: Broker,
    tasks: int,
    types: Sequence[str] = TYPES,
    priorities: Sequence[int] = ALL_PRIORITIES,
) -> None:
    """Submit so many tasks, 200 a call, one partition a call, four calls in flight.

    Raises:
        BenchmarkFailed: A task was refused.
    """
    mixer = Mixer()

    def batches() -> Iterator[tuple[int, int]]:
        for number, start in enumerate(range(0, tasks, BATCH)):
            yield number % broker.partitions, min(BATCH, tasks - start)

    work = batches()

    async def submit() -> None:
        for partition, size in work:
            for submitted in await broker.submit(
                partition, mixer.batch(partition, size, types, priorities)
            ):
                if submitted.status != "new":
                    raise BenchmarkFailed(f"the preload was refused: {submitted.status}")

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(submit())
