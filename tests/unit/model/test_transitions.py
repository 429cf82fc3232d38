"""The table of states, and the page made from it."""

import subprocess
import sys
from pathlib import Path

import pytest

from shoal.model.transitions import INITIAL, TERMINAL, TRANSITIONS, State, is_allowed

ROOT = Path(__file__).resolve().parents[3]

VERBS = {"claim", "cancel", "promote", "resolve", "settle", "release", "recover", "requeue"}


def test_every_state_has_its_row() -> None:
    """The table says of every state where it leads."""
    assert set(TRANSITIONS) == set(State)


def test_only_verbs_of_the_broker_move_a_task() -> None:
    """Every allowed move names at least one verb, and only verbs that exist."""
    for targets in TRANSITIONS.values():
        for verbs in targets.values():
            assert verbs
            assert set(verbs) <= VERBS


def test_every_state_can_be_reached() -> None:
    """From what submit creates, every state can be reached."""
    reached = set(INITIAL)
    while more := {target for state in reached for target in TRANSITIONS[state]} - reached:
        reached |= more
    assert reached == set(State)


def test_a_terminal_state_is_left_only_by_requeue() -> None:
    """COMPLETED is final; CANCELLED and DEAD lead to PENDING, and only an operator does it."""
    assert TRANSITIONS[State.COMPLETED] == {}
    for state in TERMINAL - {State.COMPLETED}:
        assert TRANSITIONS[state] == {State.PENDING: ("requeue",)}


def test_every_state_that_is_not_terminal_can_end() -> None:
    """No task can be caught: each state leads to a terminal one."""
    for state in set(State) - TERMINAL:
        reached = {state}
        while more := {target for s in reached for target in TRANSITIONS[s]} - reached:
            reached |= more
        assert reached & TERMINAL


@pytest.mark.parametrize(
    ("origin", "target", "allowed"),
    [
        (State.PENDING, State.RUNNING, True),
        (State.PENDING, State.COMPLETED, False),
        (State.SCHEDULED, State.RUNNING, False),
        (State.RUNNING, State.SCHEDULED, True),
        (State.FAILED, State.PENDING, True),
        (State.COMPLETED, State.PENDING, False),
        (State.RUNNING, State.RUNNING, False),
    ],
)
def test_moves_are_allowed_by_the_table_alone(
    origin: State,
    target: State,
    allowed: bool,
) -> None:
    """is_allowed answers what the table says."""
    assert is_allowed(origin, target) is allowed


def test_the_table_cannot_be_changed() -> None:
    """Neither a row nor an entry of the table can be assigned."""
    with pytest.raises(TypeError):
        TRANSITIONS[State.PENDING] = {}  # type: ignore[index]
    with pytest.raises(TypeError):
        TRANSITIONS[State.COMPLETED][State.PENDING] = ()  # type: ignore[index]


def test_the_committed_page_is_what_the_table_makes() -> None:
    """docs/state-machine.md equals what scripts/state_machine.py writes."""
    script = ROOT / "scripts" / "state_machine.py"
    check = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr
