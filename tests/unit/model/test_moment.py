"""Moments in words and in ISO 8601."""

import pytest

from shoal.model.moment import parse_moment

NOW_MS = 1_900_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW_MS - 7_200_000),
        ("250ms", NOW_MS - 250),
        ("2030-01-31T12:00:00Z", 1_896_091_200_000),
        ("2030-01-31T13:00:00.5+01:00", 1_896_091_200_500),
    ],
)
def test_reads(text: str, expected: int) -> None:
    """A duration counts back from now; a time is exact to the millisecond, in whatever zone."""
    assert parse_moment(text, NOW_MS) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2030-01-31T12:00:00", "2030-01-31", "-2h"])
def test_refuses(text: str) -> None:
    """What is neither, or has no zone, is refused with what to write."""
    with pytest.raises(ValueError, match="is no time: write 2h"):
        parse_moment(text, NOW_MS)
