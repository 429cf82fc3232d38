"""Replaces shards one by one: the next goes only when the successor of the last can claim."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from shoal.supervisor.slot import Phase, Slot

__all__ = ["Rolling"]


class Rolling:
    """The rolling restart under way, if any."""

    def __init__(self) -> None:
        self._queue: deque[Slot] = deque()
        self._told_pid = 0
        #: Whether the last one was left before its end.
        self.was_cancelled = False

    @property
    def is_under_way(self) -> bool:
        """Whether shards are still to be replaced."""
        return bool(self._queue)

    def begin(self, slots: Iterable[Slot]) -> None:
        """Replace these, in this order; what was under way is begun anew."""
        self._queue = deque(slots)
        self._told_pid = 0
        self.was_cancelled = False

    def cancel(self) -> bool:
        """Leave the rest as it is; returns whether there was a rest."""
        was_under_way = bool(self._queue)
        self.was_cancelled |= was_under_way
        self._queue.clear()
        return was_under_way

    def next(self) -> Slot | None:
        """The slot whose shard must be told to go now; None = wait, or there is none."""
        while self._queue:
            slot = self._queue[0]
            if slot.phase is Phase.EMPTY:
                self._advance()
            elif slot.phase is not Phase.READY or slot.is_stopping:
                return None
            elif self._told_pid and slot.pid != self._told_pid:
                self._advance()
            else:
                self._told_pid = slot.pid
                return slot
        return None

    def _advance(self) -> None:
        self._queue.popleft()
        self._told_pid = 0
