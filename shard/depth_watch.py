"""Warns when a queue fills up: one shard of all does, the one that serves the first partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.model.priority import Priority

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.registry import Registry
    from shoal.settings.task import LimitSettings
    from shoal.shard.slice import Slice

#: Below this part of the depth that was warned of, it is told that it is over.
_OVER_BELOW: Final = 0.9
_RANKS: Final = ("ok", "high", "full")


class DepthWatch:
    """Says once that a queue and priority is nearly full, or full, and once that it is so no more.

    In the log, and as an event. The slice decides who looks, so it is said once for a deployment, and
    another shard goes on when the one that looked is gone.

    Args:
        broker: Connected.
        registry: Takes the event.
        slice: Says whether this shard looks.
        limit: What full is (MAX_QUEUE_SIZE), and at what share to warn (SHOAL_QUEUE_WARNING).
    """

    #: Seconds between two looks.
    INTERVAL_S: Final = 5.0

    def __init__(
        self, broker: Broker, registry: Registry, slice: Slice, limit: LimitSettings
    ) -> None:
        self._broker = broker
        self._registry = registry
        self._slice = slice
        self._limit = limit
        #: What was said of each that is not ``ok``.
        self._said: dict[tuple[str, int], str] = {}

    async def run_once(self) -> None:
        """Look at all depths.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        if 0 not in self._slice.own:
            self._said.clear()
            return
        for row in await self._broker.queues():
            stream, depth = (row.queue, row.priority), row.ready + row.isolated
            before = self._said.get(stream, "ok")
            level = self._limit.level_of(depth)
            if _RANKS.index(level) < _RANKS.index(before):
                # Not at the first task less: what stands at the edge would be told without end.
                level = self._limit.level_of(depth / _OVER_BELOW)
            if level == before:
                continue
            await self._registry.tell_depth(row.queue, row.priority, depth, level)
            self._warn(f"queue {row.queue} at {Priority(row.priority).name}", depth, level, before)
            if level == "ok":
                del self._said[stream]
            else:
                self._said[stream] = level

    def _warn(self, name: str, depth: int, level: str, before: str) -> None:
        if level == "ok":
            logger.warning("{} is no longer nearly full: {} tasks wait", name, depth)
        elif before == "ok":
            logger.warning(
                "{} is filling up: {} tasks wait, and at {} more are refused",
                name, depth, self._limit.max_queue_size,
            )  # fmt: skip
