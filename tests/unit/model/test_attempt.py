"""The history of a task."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.attempt import (
    MAX_ERROR_CHARS,
    OUTCOMES_THAT_COUNT,
    HistoryLine,
    count_attempts,
    line_tail,
    parse_history,
)

outcomes = st.sampled_from(sorted(OUTCOMES_THAT_COUNT | {"returned", "deferred"}))
words = st.sampled_from(
    ["failed", "run", "requeued", "\x1ffailed\x1f", "\nrequeued\x1f", "boom", ""]
)
errors = st.one_of(st.text(), words)
lines = st.builds(
    HistoryLine,
    kind=st.sampled_from(["run", "interrupted", "requeued"]),
    token=st.sampled_from(["default:1/1-0/1", "failed:0/1732420000000-12/3", ""]),
    worker=st.sampled_from(["web1-0.a1b2c3", "failed-0.a1b2c3", ""]),
    start_ms=st.integers(0, 1 << 48),
    duration_us=st.integers(0, 1 << 40),
    outcome=outcomes,
    error=errors,
)


def written(line: HistoryLine) -> bytes:
    """A line as the broker's scripts append it."""
    tail = line_tail(line.start_ms, line.duration_us, line.outcome, line.error)
    return f"{line.kind}\x1f{line.token}\x1f{line.worker}\x1f".encode() + tail + b"\n"


def counted(history: list[HistoryLine]) -> int:
    """Attempts by the definition, slowly."""
    used_up = 0
    for line in history:
        if line.kind == "requeued":
            used_up = 0
        elif line.kind == "run" and line.outcome in OUTCOMES_THAT_COUNT:
            used_up += 1
    return used_up


@given(st.lists(lines, max_size=12))
def test_attempts_are_counted_as_defined(history: list[HistoryLine]) -> None:
    """The fast count equals that of the definition, whatever errors and names contain."""
    assert count_attempts(b"".join(map(written, history))) == counted(history)


@given(st.lists(lines, max_size=12))
def test_a_history_is_read_back(history: list[HistoryLine]) -> None:
    """Every field survives; of the error the breaks become spaces and the length is bounded."""
    read = parse_history(b"".join(map(written, history)))
    assert [line._replace(error="") for line in read] == [
        line._replace(error="") for line in history
    ]
    for line, original in zip(read, history, strict=True):
        assert len(line.error) == min(len(original.error), MAX_ERROR_CHARS)
        assert not set(line.error) & set("\n\r\x1f")


def test_no_history_is_no_attempt() -> None:
    """A task that never ran has no attempts, and its history is empty."""
    assert count_attempts(None) == count_attempts(b"") == 0
    assert parse_history(b"") == []


def test_interruptions_and_deferrals_use_up_nothing() -> None:
    """A killed worker, an unrun return and a missing handler leave the attempts as they were."""
    run = HistoryLine("run", "default:1/1-0/1", "web1-0.a1b2c3", 1, 2, "failed", "boom")
    history = [
        run,
        run._replace(kind="interrupted", outcome="killed"),
        run._replace(outcome="returned"),
        run._replace(outcome="deferred"),
    ]
    assert count_attempts(b"".join(map(written, history))) == 1


def test_an_error_that_cannot_be_encoded_is_still_recorded() -> None:
    """A lone surrogate in an exception's text becomes a question mark."""
    assert line_tail(1, 2, "failed", "bad \ud800") == b"1\x1f2\x1ffailed\x1fbad ?"


@pytest.mark.parametrize(
    "damaged", [b"run\x1fx\n", b"run\x1f\x1f\x1fsoon\x1f1\x1ffailed\x1f\n", b"\n"]
)
def test_a_damaged_line_is_named(damaged: bytes) -> None:
    """Reading a line with missing fields or no number raises ValueError with the line's number."""
    good = b"run\x1ft\x1fw\x1f1\x1f2\x1fcompleted\x1f\n"
    with pytest.raises(ValueError, match="line 2 of the history is damaged"):
        parse_history(good + damaged)
