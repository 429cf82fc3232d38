"""Notes a deployment's numbers each second, so that a chart is full when it is first shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.broker.reading import read_counters
from shoal.broker.series import Series, numbers_of
from shoal.clock import mono_s
from shoal.errors import ShoalError

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.registry import Registry
    from shoal.model.worker import WorkerRecord

#: Workers say more only with a heartbeat; they are read so often, in seconds.
WORKERS_S: Final = 5.0
#: Of the time, what reading may take: with very many types points lie further apart.
_SHARE: Final = 0.05


class SeriesWriter:
    """Reads the counters of all partitions and notes their sums.

    One process of a deployment does it; should two, a second has the point of the first of them.

    Args:
        broker: Connected.
        registry: Of the workers.
    """

    def __init__(self, broker: Broker, registry: Registry) -> None:
        self._broker = broker
        self._registry = registry
        self._series = Series(broker)
        self._workers: list[WorkerRecord] = []
        self._workers_s = -WORKERS_S

    async def run(self, is_mine: Callable[[], bool]) -> None:
        """Note each second, for ever.

        Args:
            is_mine: Whether this process is the one that does it.
        """
        was_refused = False
        while True:
            took_s = 0.0
            if is_mine():
                began_s = mono_s()
                try:
                    await self.write()
                    was_refused = False
                except ShoalError as error:
                    # What is not noted is not known later; the next point spans the gap.
                    if not was_refused:
                        logger.debug("the series have a gap: {}", error)
                    was_refused = True
                took_s = mono_s() - began_s
            await asyncio.sleep(took_s / _SHARE if took_s > _SHARE else until_next_second())

    async def write(self) -> int:
        """Note the numbers of this moment.

        Raises:
            BrokerUnavailable: Redis is away.
            PartitionPaused: The sums are not known.
        """
        reading = await read_counters(self._broker)
        if mono_s() - self._workers_s >= WORKERS_S:
            self._workers = await self._registry.live()
            self._workers_s = mono_s()
        return await self._series.add(numbers_of(reading, self._workers))


def until_next_second() -> float:
    """Seconds until the clock's next whole one: a point each, none left out by drift."""
    return 1.0 - time.time() % 1.0
