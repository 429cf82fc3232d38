"""Hands back what dead workers were running, in the partitions this shard serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from loguru import logger

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.shard.slice import Slice
    from shoal.telemetry.metrics import Metrics

#: How often a partition is looked through for consumers that no beat is known of, in seconds.
FULL_EVERY_S: Final = 60.0


class Recoverer:
    """Looks for workers that have not renewed anything for a lease."""

    #: Seconds between two rounds.
    INTERVAL_S: Final = 1.0

    def __init__(self, broker: Broker, incarnation: str, slice: Slice, *, metrics: Metrics) -> None:
        """``metrics`` counts what was handed back."""
        self._broker = broker
        self._incarnation = incarnation
        self._slice = slice
        self._metrics = metrics
        self._full_at = time.monotonic() + FULL_EVERY_S

    async def run_once(self) -> int:
        """Look once in each partition of the slice, at most 256 tasks in each.

        Returns:
            How many tasks were handed back.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        is_full = time.monotonic() >= self._full_at
        if is_full:
            self._full_at = time.monotonic() + FULL_EVERY_S
        recovered = 0
        for partition in self._slice.own:
            found = await self._broker.recover(partition, self._incarnation, full=is_full)
            recovered += found.recovered
        if recovered:
            self._metrics.recovered.inc(recovered)
            logger.warning("recovered {} tasks of workers that are gone", recovered)
        return recovered
