"""What a claimer has done for it while it goes on: other workers woken, depths read.

Both may fail, and neither is waited for: depths come with the next claim, and the poll of every worker
serves what nobody was woken for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from loguru import logger

from shoal.errors import ShoalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shoal.broker.broker import Broker
    from shoal.broker.results import Depths


class Errands:
    """Gathers what is wanted, and does it in one go.

    Args:
        broker: Asked for depths, and to wake others.
        queues: What this worker serves; empty = all.
        learned: Told of the depths of each partition.
        done: Called when all that was wanted has been read.
    """

    def __init__(
        self,
        broker: Broker,
        queues: tuple[str, ...],
        learned: Callable[[int, Depths], None],
        done: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._queues = queues
        self._learned = learned
        self._done = done
        self._is_due = asyncio.Event()
        self._wanted: list[int] = []
        self._passed_on: list[tuple[int, str, int]] = []

    def pass_on(self, partition: int, queue: str, hops: int) -> None:
        """Wake another worker: this one can't use the wake-up it got."""
        self._passed_on.append((partition, queue, hops + 1))
        self._is_due.set()

    def want_depths(self, partitions: Iterable[int]) -> None:
        """Read the depths of these instead of what was wanted before."""
        self._wanted = list(partitions)
        if self._wanted:
            self._is_due.set()

    async def run(self) -> None:
        """Do what is wanted, whenever something is; until cancelled."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                await self._do()
            except ShoalError as error:
                logger.debug("depths or a wake-up failed: {}", error)

    async def read_depths(self, partitions: Iterable[int]) -> None:
        """Read them in one round trip.

        Raises:
            ShoalError: Redis is away or refuses; what was read until then was learned.
        """
        wanted = tuple(partitions)
        calls = self._broker.calls
        replies = [self._broker.pending(calls.depths(p, self._queues)) for p in wanted]
        for partition, reply in zip(wanted, replies, strict=True):
            self._learned(partition, await reply)

    async def _do(self) -> None:
        passed_on, self._passed_on = self._passed_on, []
        for partition, queue, hops in passed_on:
            await self._broker.wake(partition, queue, hops)
        wanted, self._wanted = self._wanted, []
        if wanted:
            await self.read_depths(wanted)
            self._done()
