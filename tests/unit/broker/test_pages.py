"""Places of tasks, and pages merged from what partitions find."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.broker.pages import MAX_ROUNDS, ListedTask, Place, Slice, TaskPage, bounds, read_page
from shoal.model.identity import task_id
from shoal.model.transitions import State

STATES = (State.FAILED, State.DEAD)
PARTITIONS = 3
TASKS = st.lists(
    st.tuples(st.sampled_from(STATES), st.integers(0, PARTITIONS - 1), st.integers(0, 5)),
    max_size=40,
)


@dataclass
class Partitions:
    """Tasks by source as the script lists them: by time and id, the greatest first."""

    tasks: dict[tuple[State, int], list[tuple[int, str]]] = field(default_factory=dict)
    #: How many a slice looks at.
    look: int = 1000
    reads: int = 0

    def add(self, state: State, partition: int, at_ms: int) -> str:
        """A task that came into its state then."""
        of = self.tasks.setdefault((state, partition), [])
        made = task_id(partition, 1_700_000_000_000, len(of) * 8 + STATES.index(state))
        of.append((at_ms, made))
        of.sort(reverse=True)
        return made

    async def read(self, state: State, partition: int, place: Place | None, want: int) -> Slice:
        """As the broker reads a slice."""
        self.reads += 1
        bound, mark = bounds(place, state, partition)
        fitting = [
            (at, task)
            for at, task in self.tasks.get((state, partition), [])
            if not bound or at < int(bound) or (at == int(bound) and (not mark or task < mark))
        ]
        rows = [
            ListedTask(task, Place(at, state, partition, task))
            for at, task in fitting[: min(want, self.look)]
        ]
        return Slice(rows, rows[-1].place if len(rows) < len(fitting) else None)


async def walk(of: Partitions, limit: int, after: Place | None = None) -> list[list[str]]:
    """All pages."""
    pages = []
    while True:
        page = await read_page(of.read, STATES, PARTITIONS, after=after, limit=limit)
        pages.append([row.id for row in page.rows])
        if page.next is None:
            return pages
        after = Place.parse(str(page.next))


@given(TASKS, st.integers(1, 7), st.integers(1, 4))
def test_pages_hold_each_task_once(
    tasks: list[tuple[State, int, int]], limit: int, look: int
) -> None:
    """In one order whatever a page's length; each page but the last is full, and none is empty in vain."""
    of = Partitions()
    ids = {of.add(*task) for task in tasks}
    (whole,) = asyncio.run(walk(of, 1000))
    of.look = look
    pages = asyncio.run(walk(of, limit))
    assert [one for page in pages for one in page] == whole
    assert set(whole) == ids
    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages) == 1 or pages[-1]


@given(TASKS, TASKS, st.data())
def test_what_stands_still_is_on_one_page(
    tasks: list[tuple[State, int, int]], others: list[tuple[State, int, int]], data: st.DataObject
) -> None:
    """Tasks that come and go between two pages, also at the very place, shift nothing."""
    of = Partitions()
    still = {of.add(*task) for task in tasks}
    for task in others:
        of.add(*task)
    seen: list[str] = []
    after: Place | None = None
    while True:
        page = await_page(of, after)
        seen += [row.id for row in page.rows if row.id in still]
        if page.next is None:
            break
        after = page.next
        for rows in of.tasks.values():
            rows[:] = [row for row in rows if row[1] in still or data.draw(st.booleans())]
        if data.draw(st.booleans()):
            of.add(State.DEAD, 1, after.at_ms)
    assert sorted(seen) == sorted(still)


def await_page(of: Partitions, after: Place | None) -> TaskPage:
    """One page of three."""
    return asyncio.run(read_page(of.read, STATES, PARTITIONS, after=after, limit=3))


def test_a_page_costs_a_bounded_number_of_reads() -> None:
    """Where too much has to be looked through it ends early, in the order of all, and its place goes on."""
    of = Partitions(look=1)
    ids = [of.add(State.DEAD, 0, 1000 - n) for n in range(100)]
    late = of.add(State.FAILED, 1, 1)

    async def both() -> None:
        page = await read_page(of.read, STATES, PARTITIONS, after=None, limit=50)
        assert [row.id for row in page.rows] == ids[:MAX_ROUNDS]
        assert of.reads <= MAX_ROUNDS + len(STATES) * PARTITIONS
        rest = [one for part in await walk(of, 50, page.next) for one in part]
        assert rest == [*ids[MAX_ROUNDS:], late]

    asyncio.run(both())


def test_an_offset_skips_and_says_how_much() -> None:
    """Also past the end."""
    of = Partitions()
    ids = [of.add(State.DEAD, 0, 10 - n) for n in range(5)]

    async def page(offset: int) -> tuple[list[str], int]:
        got = await read_page(of.read, STATES, PARTITIONS, after=None, limit=2, offset=offset)
        return [row.id for row in got.rows], got.skipped

    assert asyncio.run(page(1)) == (ids[1:3], 1)
    assert asyncio.run(page(4)) == (ids[4:], 4)
    assert asyncio.run(page(9)) == ([], 5)


@pytest.mark.parametrize(
    "place",
    [
        Place(5, State.DEAD, 4095, "0" * 8 + "-0000-7000-8000-" + "0" * 12),
        Place(1_700_000_000_000, State.COMPLETED, 0, "1700000000000-18446744073709551615/100"),
        Place(1, State.PENDING, 1, "1-0/default:3:isolated"),
    ],
)
def test_a_place_is_read_as_it_was_written(place: Place) -> None:
    """Of every kind."""
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize(
    "text",
    ["", "x", "1.DEAD.0.x", "1.GONE.0.1-0/1", "1.COMPLETED.0.1-0", "-1.PENDING.0.1-0/a:1",
     "1.PENDING.0.1-0", "1.DEAD.99999.00000000-0000-7000-8000-000000000000", "1.COMPLETED.0.1-0/1 "],
)  # fmt: skip
def test_no_place_is_refused(text: str) -> None:
    """A cursor comes from outside."""
    with pytest.raises(ValueError, match="page of tasks"):
        Place.parse(text)
