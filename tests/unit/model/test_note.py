"""What handlers report, in the form in which it is kept."""

import math

import pytest

from shoal.model.note import (
    MAX_MESSAGE_CHARS,
    check_level,
    line_of,
    parse_log,
    parse_progress,
    progress_of,
)


def test_progress_is_a_fraction_or_a_part_of_a_whole() -> None:
    """Both have the fraction, from 0 to 1; a message is cut."""
    assert progress_of(0.25, None, "") == {"fraction": 0.25}
    assert progress_of(3, 12, "reading") == {
        "fraction": 0.25,
        "current": 3,
        "total": 12,
        "message": "reading",
    }
    assert progress_of(15, 12, "")["fraction"] == 1.0
    assert progress_of(-1, None, "")["fraction"] == 0.0
    assert len(progress_of(1, None, "x" * 5000)["message"]) == MAX_MESSAGE_CHARS


@pytest.mark.parametrize(
    ("current", "total"), [(math.nan, None), ("1", None), (True, None), (1, 0), (1, -2), (1, "x")]
)
def test_what_is_no_progress_is_refused(current: object, total: object) -> None:
    """With a sentence that names it."""
    with pytest.raises(ValueError, match="must be"):
        progress_of(current, total, "")  # type: ignore[arg-type]


def test_log_lines_are_read_as_they_were_written() -> None:
    """Line breaks and hostile text stay inside their line; what is damaged is left out."""
    hostile = 'two\nlines, "quotes", \x1f and \ud800'
    stored = line_of(2, 1_700_000_000_123, "error", hostile) + b"damaged\n"
    assert stored.count(b"\n") == 2
    (line,) = parse_log(stored)
    assert (line.attempt, line.level, line.at.microsecond) == (2, "error", 123_000)
    assert line.message == hostile.replace("\ud800", "?")


def test_progress_that_cannot_be_read_is_none() -> None:
    """A damaged document, or one that is no object."""
    assert parse_progress(b'{"fraction":1}') == {"fraction": 1}
    assert parse_progress(b"\x01\xff") is None
    assert parse_progress(b"[]") is None


def test_an_unknown_level_is_refused() -> None:
    """It says which there are."""
    check_level("warning")
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        check_level("fatal")
