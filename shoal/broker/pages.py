"""Pages of tasks: every task has a place in one order, and a page is what follows a place.

Newest first by when the task came into its state, PENDING and RUNNING by when it became ready; among
tasks of one millisecond by state, partition and the partition's own order. A task that stands still
keeps its place whatever becomes of the others, so pages neither repeat nor skip it.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Self

from shoal.model.transitions import State

#: Most tasks that one page and what it skips may have together.
MAX_PAGE = 1200
#: How often one partition is asked for one page; each time it looks at about 2,000 tasks.
MAX_ROUNDS = 16

_ORDER = {state: at for at, state in enumerate(State)}
_PLACE = re.compile(r"(\d{1,15})\.([A-Z]+)\.(\d{1,4})\.([0-9A-Za-z_.:/-]{1,160})")
_PLACES = {
    **dict.fromkeys(State, re.compile(r"[0-9a-f-]{36}")),
    State.COMPLETED: re.compile(r"\d{1,15}-\d{1,20}/\d{1,3}"),
    **dict.fromkeys((State.PENDING, State.RUNNING), re.compile(r"\d{1,15}-\d{1,20}/[^/]+")),
}


class Place(NamedTuple):
    """Where a task stands in the order of all tasks.

    Attributes:
        at_ms: Since when, Unix milliseconds.
        state: Its state when it was listed.
        partition: Where it lives.
        mark: Its place in the partition, as ``list_tasks`` names it.
    """

    at_ms: int
    state: State
    partition: int
    mark: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str()`` wrote.

        Raises:
            ValueError: It has another form.
        """
        match = _PLACE.fullmatch(text)
        if match is None or match[2] not in State.__members__:
            raise ValueError(f"invalid place {text!r:.80}: it must come from a page of tasks")
        place = cls(int(match[1]), State(match[2]), int(match[3]), match[4])
        if not _PLACES[place.state].fullmatch(place.mark):
            raise ValueError(f"invalid place {text!r:.80}: it must come from a page of tasks")
        return place

    def __str__(self) -> str:
        return f"{self.at_ms}.{self.state}.{self.partition}.{self.mark}"

    @property
    def before(self) -> tuple[int, int, int]:
        """What tasks of different states or partitions are ordered by."""
        return -self.at_ms, _ORDER[self.state], self.partition


class ListedTask(NamedTuple):
    """One row of a page: the task's id, and where it stands."""

    id: str
    place: Place


class TaskPage(NamedTuple):
    """Tasks in order, and the place from which the next page goes on; ``None`` = nothing follows.

    A page is as long as it was asked to be, unless nothing follows or too much had to be looked
    through for it. ``skipped`` says how much of the wanted offset lies behind it.
    """

    rows: list[ListedTask]
    next: Place | None
    skipped: int


class Slice(NamedTuple):
    """What one partition found of one state, and where it stopped; ``None`` = at the end."""

    rows: list[ListedTask]
    stopped: Place | None


#: From state, partition, the place to go on from and how many, to the awaitable slice.
Read = Callable[[State, int, Place | None, int], Awaitable[Slice]]


class _Source:
    """One state in one partition, as far as it has been read."""

    def __init__(self, state: State, partition: int) -> None:
        self.state = state
        self.partition = partition
        self.rows: list[ListedTask] = []
        self.stopped: Place | None = None
        self.at_end = False

    def add(self, part: Slice) -> None:
        self.rows += part.rows
        self.stopped = part.stopped
        self.at_end = part.stopped is None


async def read_page(
    read: Read,
    states: Sequence[State],
    partitions: int,
    *,
    after: Place | None,
    limit: int,
    offset: int = 0,
) -> TaskPage:
    """Merge what the partitions have of these states into one page.

    Args:
        read: Reads a slice; all that is needed at once is asked for before any is awaited.
        states: Which states.
        partitions: How many there are.
        after: Only what follows this place; ``None`` = from the newest on.
        limit: At most so many, up to ``MAX_PAGE`` together with ``offset``.
        offset: Skip so many.
    """
    # One more than the page holds tells whether anything follows it.
    want = min(limit + offset, MAX_PAGE) + 1
    sources = [_Source(state, n) for state in states for n in range(partitions)]
    for _ in range(MAX_ROUNDS):
        short = [one for one in sources if not one.at_end and len(one.rows) < want]
        if not short:
            break
        asked = [
            read(one.state, one.partition, one.stopped or after, want - len(one.rows))
            for one in short
        ]
        for source, part in zip(short, asked, strict=True):
            source.add(await part)
    rows = sorted(
        # Stable: within a state and partition the order is the one that was read.
        (row for source in sources for row in source.rows),
        key=lambda row: row.place.before,
    )
    # Nothing may be shown that stands behind what has not been looked at.
    edge = min(
        (s.stopped for s in sources if s.stopped is not None and len(s.rows) < want),
        key=lambda place: place.before,
        default=None,
    )
    if edge is not None:
        rows = [row for row in rows if row.place.before <= edge.before]
    page = rows[offset : want - 1]
    if len(rows) >= want:
        return TaskPage(page, rows[want - 2].place, offset)
    return TaskPage(page, edge, min(offset, len(rows)))


def bounds(place: Place | None, state: State, partition: int) -> tuple[str, str]:
    """Where a slice of this state and partition begins, for the script: bound (ms) and mark.

    Among tasks of the place's millisecond, those of sources before its own have been shown, and
    those of sources after it have not.
    """
    if place is None:
        return "", ""
    here, its = (_ORDER[state], partition), place.before[1:]
    if here == its:
        return str(place.at_ms), place.mark
    return str(place.at_ms if here > its else place.at_ms - 1), ""
