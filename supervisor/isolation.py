"""When this host has an isolation shard: it is started when isolated tasks wait, and ends when none do.

Two voices call for one: a releaser that has just moved something apart, and the shards, which hear of
isolated work that nobody waits for and note on their pages when they did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from shoal.page import Page
from shoal.supervisor.slot import Phase, Slot

__all__ = ["Isolation"]

#: The pause after an isolation shard died, in seconds: as long as it lived, within these bounds, so
#: that poison keeps at most half a core busy with starting processes.
_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
#: The pause after one that could not start.
_START_PAUSE_S = 5.0


class Isolation:
    """Decides for one supervisor; times are monotonic seconds."""

    def __init__(self, slot: Slot, pages: Callable[[], Iterable[Page]]) -> None:
        """Fill ``slot``; ``pages`` are those of the ordinary shards."""
        self.slot = slot
        self._pages = pages
        self._is_called = False
        self._ended_s = 0.0

    def call(self) -> None:
        """Something was moved apart just now."""
        self._is_called = True

    def is_due(self) -> bool:
        """Whether one is to be forked now."""
        if self.slot.phase is not Phase.EMPTY:
            return False
        return self._is_called or any(
            page.isolated_ms > self._ended_s * 1000 for page in self._pages()
        )

    def forked(self) -> None:
        """It was; what comes from now on it hears itself."""
        self._is_called = False

    def ended(self, now_s: float, *, is_clean: bool, lived_s: float, could_start: bool) -> float:
        """It ended; returns the pause before the next, 0 = none is wanted until one is called for."""
        self._ended_s = now_s
        if is_clean:
            return 0.0
        if not could_start:
            return _START_PAUSE_S
        return min(max(lived_s, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)
