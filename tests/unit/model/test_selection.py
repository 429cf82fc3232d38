"""What an operator may mean, and what is refused with a word on how to say it."""

import pytest

from shoal.model.selection import BulkVerb, Selection, check_operation_id
from shoal.model.transitions import State

ONE = "018bcfe5-6800-7000-8000-000000000001"
TWO = "018bcfe5-6800-7000-8000-000000000002"


@pytest.mark.parametrize(
    ("meant", "says"),
    [
        ({}, "say which tasks"),
        ({"type": "mail"}, "say which tasks"),
        ({"ids": (ONE,), "type": "mail"}, "not both"),
        ({"ids": (ONE,), "states": (State.DEAD,)}, "not both"),
        ({"ids": ("x",)}, "invalid task id"),
        ({"states": (State.COMPLETED,)}, "requeue takes the states DEAD, FAILED, CANCELLED"),
        ({"states": (State.FAILED,), "fingerprint": "p"}, "DEAD alone"),
        ({"states": (State.DEAD,), "fingerprint": "a b"}, "invalid fingerprint"),
        ({"states": (State.DEAD,), "type": "1"}, "invalid task type"),
        ({"states": (State.DEAD,), "queue": "a:b"}, "invalid queue"),
        ({"states": (State.DEAD,), "since_ms": -1}, "Unix milliseconds"),
    ],
)
def test_refused(meant: dict[str, object], says: str) -> None:
    """What contradicts itself or names nothing is refused."""
    with pytest.raises(ValueError, match=says):
        Selection(**meant).checked(BulkVerb.REQUEUE)  # type: ignore[arg-type]


def test_one_form_for_one_wish() -> None:
    """Order and repetition make no other wish; verb, argument and every condition do."""
    same = Selection(ids=(TWO, ONE.upper(), ONE)).checked(BulkVerb.CANCEL)
    assert same == Selection(ids=(ONE, TWO)).checked(BulkVerb.CANCEL)
    dead = Selection(states=(State.FAILED, State.DEAD)).checked(BulkVerb.REQUEUE)
    assert dead == Selection(states=(State.DEAD, State.FAILED)).checked(BulkVerb.REQUEUE)
    digests = {
        one.digest(verb, argument)
        for one in (dead, same, Selection(states=dead.states, type="mail"))
        for verb in BulkVerb
        for argument in ("", "x")
    }
    assert len(digests) == 18


@pytest.mark.parametrize("text", ["", ".a", "a b", "a:b", "a" * 65, "a\n"])
def test_operation_ids(text: str) -> None:
    """An operation's id is part of a key, so its form is bound."""
    with pytest.raises(ValueError, match="invalid operation id"):
        check_operation_id(text)
    assert check_operation_id("op-1.x_Y") == "op-1.x_Y"
