"""The pages of all shards a supervisor may ever run, in one shared mapping.

It is mapped before the first fork, so that a child forked early (the exporter) sees the pages of
shards that are forked later. Pages nobody touched take no memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

from shoal.clock import wall_ms
from shoal.model.identity import ISOLATION_INDEX
from shoal.page import Page, page_bytes

__all__ = ["EXITS", "OUTCOMES", "Board", "LastReload", "room_for"]

#: What may come of a reload; see ``shoal.supervisor.reload``.
OUTCOMES = ("done", "refused", "stopped")
#: How a shard may end: as it should; without ever having started; by a signal from outside; else.
EXITS = ("clean", "failed", "killed", "crashed")
#: A reload may raise the concurrency to so many times that of the start, and to this at least.
_GROWTH = 4
_LEAST_ROOM = 256


def room_for(slots: int) -> int:
    """How many slots a page gets place for, when its shard has ``slots`` at the start."""
    return max(slots * _GROWTH, _LEAST_ROOM)


class LastReload(NamedTuple):
    """What came of the settings being read last."""

    #: Whether they were taken over.
    is_done: bool
    #: When the ones that hold were read, in Unix ms.
    done_ms: int


class Board:
    """Pages by slot index, each aligned to the system's memory pages."""

    def __init__(self, places: int, slots: int) -> None:
        """Map ``places`` pages of ``slots`` slots each.

        Args:
            places: The most shards there may ever be.
            slots: A shard's concurrency.
        """
        self._slots = slots
        #: The most slots that a page can have.
        self.room = room_for(slots)
        self._stride = -(-page_bytes(self.room) // mmap.PAGESIZE) * mmap.PAGESIZE
        # One memory page in front says how many pages are in use, and counts for all of the host.
        # And one more place stands behind: that of the isolation shard, which has one slot.
        self._memory = memoryview(mmap.mmap(-1, mmap.PAGESIZE + (places + 1) * self._stride))
        start = mmap.PAGESIZE + places * self._stride
        self._isolation = Page(self._memory[start : start + page_bytes(1)], 1)
        self._used = self._memory[:8].cast("q")
        self._reloads = self._memory[8 : 8 + 8 * len(OUTCOMES)].cast("q")
        self._exits = self._memory[64 : 64 + 8 * len(EXITS)].cast("q")
        self._released = self._memory[128:136].cast("q")
        self._last_reload = self._memory[136:152].cast("q")
        self._last_reload[0], self._last_reload[1] = 1, wall_ms()
        self._pages: dict[int, Page] = {}
        self.places = places

    def page(self, index: int) -> Page:
        """The page of a slot; always the same one."""
        if index == ISOLATION_INDEX:
            return self._isolation
        if not 0 <= index < self.places:
            raise IndexError(f"place {index} of a board of {self.places}")
        page = self._pages.get(index)
        if page is None:
            start = mmap.PAGESIZE + index * self._stride
            page = Page(self._memory[start : start + page_bytes(self.room)], self._slots)
            self._pages[index] = page
            self._used[0] = max(self._used[0], index + 1)
        return page

    def reloaded(self, outcome: str) -> None:
        """Count a reload that ended so, one of ``OUTCOMES``."""
        self._reloads[OUTCOMES.index(outcome)] += 1
        self._last_reload[0] = outcome == "done"
        if outcome == "done":
            self._last_reload[1] = wall_ms()

    def reloads(self) -> dict[str, int]:
        """How many reloads ended how, since the supervisor started."""
        return dict(zip(OUTCOMES, self._reloads, strict=True))

    @property
    def last_reload(self) -> LastReload:
        """Of reloads and the start, the last one."""
        return LastReload(self._last_reload[0] == 1, self._last_reload[1])

    def exited(self, how: str) -> None:
        """Count a shard that ended so, one of ``EXITS``."""
        self._exits[EXITS.index(how)] += 1

    def exits(self) -> dict[str, int]:
        """How many shards ended how, since the supervisor started."""
        return dict(zip(EXITS, self._exits, strict=True))

    def released(self, tasks: int) -> None:
        """Count tasks that a releaser handed back."""
        self._released[0] += tasks

    @property
    def released_tasks(self) -> int:
        """How many tasks of dead shards were handed back, since the supervisor started."""
        return self._released[0]

    def pages(self) -> Iterator[tuple[int, Page]]:
        """All pages that any process has used so far, by index."""
        for index in range(self._used[0]):
            yield index, self.page(index)
        if self._isolation.started_ms:
            yield ISOLATION_INDEX, self._isolation
