"""Removes what is past its retention, in the partitions this shard serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoal.broker.broker import Broker
    from shoal.shard.slice import Slice
    from shoal.task_definition import TaskDefinition

#: Slices removed of one partition before the next has its turn.
_SLICES_A_ROUND: Final = 8
#: Rounds between two trims of the types' own journals.
_TRIM_EVERY: Final = 5


def own_retentions(tasks: Mapping[str, TaskDefinition]) -> dict[str, float]:
    """The types with a retention of their own, in seconds."""
    return {
        name: definition.defaults.retention_s
        for name, definition in tasks.items()
        if definition.defaults.retention_s is not None
    }


class Janitor:
    """Prunes ended tasks and trims the event streams.

    Args:
        broker: Connected.
        slice: Which partitions.
        retentions: Seconds by type, of the types that are kept for less than the others.
    """

    #: Seconds between two rounds.
    INTERVAL_S: Final = 1.0

    def __init__(self, broker: Broker, slice: Slice, retentions: Mapping[str, float]) -> None:
        self._broker = broker
        self._slice = slice
        self._retentions = retentions
        self._round = 0

    async def run_once(self) -> int:
        """Prune each partition of the slice.

        Returns:
            How many tasks were removed.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        removed = 0
        self._round += 1
        for partition in self._slice.own:
            for _ in range(_SLICES_A_ROUND):
                pruned = await self._broker.prune(partition)
                removed += pruned.completed + pruned.cancelled + pruned.dead
                if not pruned.more:
                    break
            for task_type, retention_s in self._retentions.items():
                pruned = await self._broker.prune_type(partition, task_type, retention_s)
                removed += pruned.completed + pruned.cancelled + pruned.dead
            if self._round % _TRIM_EVERY == 0:
                await self._broker.trim_journals(partition)
        return removed
