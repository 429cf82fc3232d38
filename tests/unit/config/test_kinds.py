"""Every kind of setting shows values in a form that it reads."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.settings.checks import redact_url, url_database
from shoal.settings.kinds import Duration, Number, Size, Whole


@given(st.integers(0, 10**12))
def test_whole_numbers_and_sizes_survive_being_shown(number: int) -> None:
    """What show writes, convert reads back exactly."""
    whole, size = Whole(0, 10**12), Size(0, 10**12)
    assert whole.convert(whole.show(number)) == number
    assert size.convert(size.show(number)) == number


@given(st.integers(0, 10**9))
def test_durations_survive_being_shown(milliseconds: int) -> None:
    """What show writes, convert reads back to the millisecond."""
    kind = Duration(0, 10**9)
    assert round(kind.convert(kind.show(milliseconds / 1000)) * 1000) == milliseconds


@given(st.text())
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    """No text makes a kind raise anything but ValueError."""
    for kind in (Whole(0, 9), Size(0, 9), Duration(0, 9), Number(0, 9)):
        with contextlib.suppress(ValueError):
            kind.convert(text)


def test_underscores_between_digits_are_read() -> None:
    """1_000_000 is a million, and True is no number."""
    assert Whole(0, 10**9).convert("1_000_000") == 1_000_000
    for value in (True, "1__0", "_1", "\u0661"):
        with pytest.raises(ValueError, match="whole number"):
            Whole(0, 10**9).convert(value)


def test_urls_lose_only_their_password() -> None:
    """What is shown of an address is all but its password."""
    assert redact_url("redis://u:p%40ss@h:1/2?x=1") == "redis://u:***@h:1/2?x=1"
    assert redact_url("redis://:p@h") == "redis://:***@h"
    assert redact_url("redis://h:1") == "redis://h:1"
    assert url_database("redis://h") is None
    assert url_database("unix:///3") is None
