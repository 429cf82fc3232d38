"""How fast an operation goes that is not to go as fast as it can."""

import pytest

from shoal.model.pace import Pace, check_rate, step_for
from shoal.model.selection import BulkVerb


@pytest.mark.parametrize(("rate", "step"), [(0.1, 1), (10, 2), (100, 25), (10_000, 256)])
def test_steps_are_a_quarter_of_a_second(rate: float, step: int) -> None:
    """At least one task, and never more than a call takes."""
    assert step_for(rate, 256) == step


def test_it_waits_as_long_as_what_was_done_takes() -> None:
    """Ten a second: after two tasks a fifth of a second; time that passed is not made up for."""
    pace = Pace(10, 2)
    assert pace.wait_s(0, 100.0) == 0
    assert pace.wait_s(2, 100.0) == pytest.approx(0.2)
    assert pace.wait_s(2, 100.2) == pytest.approx(0, abs=1e-6)
    assert pace.wait_s(4, 500.0) == pytest.approx(0.2)


def test_what_was_done_before_is_not_waited_for() -> None:
    """Whoever goes on with an operation waits for one step at most."""
    assert Pace(10, 2).wait_s(5000, 0.0) == pytest.approx(0.2)
    assert Pace(None, 256).wait_s(5000, 0.0) == 0


@pytest.mark.parametrize(("verb", "rate"), [("cancel", 5), ("requeue", 0), ("requeue", 1e9)])
def test_a_rate_goes_with_requeue_and_has_bounds(verb: str, rate: float) -> None:
    """Anything else is refused, with what to write."""
    with pytest.raises(ValueError, match="a rate"):
        check_rate(BulkVerb(verb), rate)
