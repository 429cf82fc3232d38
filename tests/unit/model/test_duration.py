"""Durations as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.duration import MAX_DURATION_S, format_duration, parse_duration


@given(st.integers(0, int(MAX_DURATION_S) * 1000))
def test_what_is_written_is_read_back(ms: int) -> None:
    """parse_duration reads what format_duration wrote, to the millisecond."""
    assert round(parse_duration(format_duration(ms / 1000)) * 1000) == ms


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("5s", 5),
        ("1.5s", 1.5),
        ("5m", 300),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d2h3m4s5ms", 93784.005),
        ("7d", 604800),
        (" 30 ", 30),
        ("0.5", 0.5),
        (0, 0),
        (2.5, 2.5),
    ],
)
def test_numbers_are_seconds_and_units_go_from_large_to_small(
    text: str | float, seconds: float
) -> None:
    """Numbers, also as text, are seconds; units may be combined, the largest first."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "s",
        "5x",
        "5 s",
        "30m1h",
        "1m1m",
        "-5s",
        "1e3",
        "5S",
        "٣s",
        "9" * 1000,
        True,
        None,
        -1,
        math.nan,
        math.inf,
        10**400,
        "36526d",
    ],
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    """Nonsense, negative, infinite, boolean and century-long durations raise ValueError."""
    with pytest.raises(ValueError, match="duration") as refusal:
        parse_duration(value)  # type: ignore[arg-type]
    assert len(str(refusal.value)) < 250


def test_a_duration_is_written_with_the_fewest_units() -> None:
    """Units that are zero are left out; nothing at all is 0s."""
    assert [format_duration(s) for s in (0, 0.25, 90, 5400, 604800)] == [
        "0s",
        "250ms",
        "1m30s",
        "1h30m",
        "7d",
    ]
