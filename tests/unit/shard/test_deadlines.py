"""One timer for all timeouts."""

from dataclasses import dataclass
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from shoal.shard.deadlines import SPACING_S, Deadlines


@dataclass
class Running:
    """A task with a deadline."""

    deadline: float


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0.001, 5)), max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_every_task_is_stopped_at_its_deadline_and_none_before(
    begun: list[tuple[float, float]], ends: list[bool]
) -> None:
    """Looking exactly when asked to, each task still running is found between its deadline and 5 ms later."""
    deadlines, running, found = Deadlines(), [], []
    events = sorted((start, start + lasts, k) for k, (start, lasts) in enumerate(begun))
    while events or deadlines.next_at < inf:
        if events and events[0][0] <= deadlines.next_at:
            _, deadline, k = events.pop(0)
            if not ends[k]:
                task = Running(deadline)
                running.append(task)
            deadlines.note(deadline)
            continue
        now = deadlines.next_at
        for task in deadlines.sweep(now, running):
            assert task.deadline <= now <= task.deadline + SPACING_S + 1e-9
            running.remove(task)
            found.append(task)
    assert running == []
    assert len(found) == sum(not ended for ended in ends[: len(begun)])


def test_a_later_deadline_moves_nothing() -> None:
    """Only a deadline that is nearer than the next look is a reason to set the timer again."""
    deadlines = Deadlines()
    assert deadlines.note(5.0)
    assert not deadlines.note(6.0)
    assert deadlines.note(4.0)
    assert deadlines.next_at == 4.0


def test_looks_keep_their_distance() -> None:
    """A thousand tasks that time out within 100 ms cause at most 20 looks and one."""
    deadlines = Deadlines()
    running = [Running(1 + k / 10_000) for k in range(1000)]
    for task in running:
        deadlines.note(task.deadline)
    looks = 0
    while running:
        for task in deadlines.sweep(deadlines.next_at, list(running)):
            running.remove(task)
        looks += 1
    assert looks <= 21
