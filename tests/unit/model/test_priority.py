"""Priorities as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.priority import Priority


@given(st.sampled_from(Priority), st.booleans())
def test_every_spelling_is_read(level: Priority, lower: bool) -> None:
    """A name in any case, a number and a number as text all give the level."""
    name = level.name.lower() if lower else level.name
    for spelling in (name, f" {name} ", level.value, str(level.value), level):
        assert Priority.parse(spelling) is level


@pytest.mark.parametrize("value", ["", "urgent", "4", "-1", "²", 4, -1, True, 1.0, None])
def test_anything_else_is_refused_with_the_names(value: object) -> None:
    """What is no priority raises ValueError, and the message lists what would be one."""
    with pytest.raises(ValueError, match=r"LOW \(0\), NORMAL \(1\), HIGH \(2\), CRITICAL \(3\)"):
        Priority.parse(value)  # type: ignore[arg-type]


def test_a_higher_number_goes_first() -> None:
    """Priorities compare as their numbers do."""
    assert Priority.LOW < Priority.NORMAL < Priority.HIGH < Priority.CRITICAL
