"""Where the tasks of dead workers wait: they go before every backlog, in whichever partition. Pure.

Under a backlog a shard keeps to its slice and asks one partition for all its free slots, so what went
back elsewhere could wait until those slots are free again, for as long as handlers take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from shoal.shard.depths import URGENT_RANK

#: For how long a partition is preferred on one word of it, in seconds. Depths, read at the latest
#: each second, say again what still waits.
BELIEVED_S: Final = 2.0


class HandedBack:
    """What one shard knows of tasks that were handed back. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[int, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def heard(self, partition: int, tasks: int, now_s: float) -> None:
        """``tasks`` more went back there."""
        known, _ = self._waiting.get(partition, (0, 0.0))
        self._waiting[partition] = (known + tasks, now_s + BELIEVED_S)

    def read(self, partition: int, tasks: int, now_s: float) -> None:
        """So many wait there now."""
        if tasks > 0:
            self._waiting[partition] = (tasks, now_s + BELIEVED_S)
        else:
            self._waiting.pop(partition, None)

    def claimed(self, partition: int, tasks: int, *, is_full: bool) -> None:
        """A claim there brought ``tasks``, which are those first; all it asked for or not."""
        known, until_s = self._waiting.get(partition, (0, 0.0))
        if is_full and known > tasks:
            self._waiting[partition] = (known - tasks, until_s)
        else:
            self._waiting.pop(partition, None)

    def next(
        self, ranks: Sequence[int], is_free: Callable[[int], bool], now_s: float
    ) -> tuple[int, int] | None:
        """The partition to ask before all others, and for how many; ``None`` = none.

        Not for more than wait there: the other slots are for what waits in the next one. Urgent work
        still goes first.

        Args:
            ranks: The rank of each partition, see :mod:`shoal.shard.depths`.
            is_free: Whether a partition may be asked now.
            now_s: The time.
        """
        best = max(ranks)
        for partition, (tasks, until_s) in list(self._waiting.items()):
            if now_s > until_s:
                del self._waiting[partition]
            elif is_free(partition) and (best < URGENT_RANK or ranks[partition] >= best):
                return partition, tasks
        return None
