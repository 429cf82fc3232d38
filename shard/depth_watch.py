"""Warns when a queue fills up: one shard of all does, the one that serves the first partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.model.priority import Priority

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.settings.task import LimitSettings
    from shoal.shard.slice import Slice

#: Below this part of the depth that was warned of, it is told that it is over.
_OVER_BELOW: Final = 0.9


class DepthWatch:
    """Says once that a queue and priority is nearly full, and once that it is so no more.

    The slice decides who looks, so there is one warning for a deployment, and another shard goes on when
    the one that looked is gone.

    Args:
        broker: Connected.
        slice: Says whether this shard looks.
        limit: What full is (MAX_QUEUE_SIZE), and at what share to warn (SHOAL_QUEUE_WARNING).
    """

    #: Seconds between two looks.
    INTERVAL_S: Final = 5.0

    def __init__(self, broker: Broker, slice: Slice, limit: LimitSettings) -> None:
        self._broker = broker
        self._slice = slice
        self._full = limit.max_queue_size
        self._warn_at = limit.warning_depth
        self._warned: set[tuple[str, int]] = set()

    async def run_once(self) -> None:
        """Look at all depths.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        if 0 not in self._slice.own:
            self._warned.clear()
            return
        for row in await self._broker.queues():
            stream, depth = (row.queue, row.priority), row.ready + row.isolated
            name = f"queue {row.queue} at {Priority(row.priority).name}"
            if depth >= self._warn_at and stream not in self._warned:
                self._warned.add(stream)
                logger.warning(
                    "{} is filling up: {} tasks wait, and at {} more are refused",
                    name, depth, self._full,
                )  # fmt: skip
            elif depth < self._warn_at * _OVER_BELOW and stream in self._warned:
                self._warned.discard(stream)
                logger.warning("{} is no longer nearly full: {} tasks wait", name, depth)
