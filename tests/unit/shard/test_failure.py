"""What is kept of an exception."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from shoal.errors import InvalidPayload
from shoal.shard.failure import (
    MAX_FIELD_ERRORS,
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
    Failure,
    describe,
    plain,
)


def _raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301 - it needs a traceback
    except BaseException as raised:  # noqa: BLE001
        return raised


class Hostile(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


@pytest.mark.parametrize(
    "error",
    [
        ValueError("plain"),
        ValueError("x" * 10_000_000),
        ValueError("lone surrogate \ud800, nul \0, line\nbreak"),
        Hostile(),
        SystemExit(3),
        KeyboardInterrupt(),
        ExceptionGroup("many", [ValueError(str(k)) for k in range(500)]),
        BaseExceptionGroup("deep", [BaseExceptionGroup("er", [SystemExit()])]),
        StopIteration(1),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        OSError(2, "no such file", "\udcff"),
        RecursionError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_exception_is_recorded_and_bounded(error: BaseException) -> None:
    """Whatever it is: valid JSON with type, message and traceback, all of them short."""
    failure = describe(_raised(error))
    body = orjson.loads(failure.body)
    assert set(body) == {"type", "message", "traceback", "fingerprint"}
    assert len(body["message"]) <= MAX_MESSAGE_CHARS
    assert len(body["traceback"]) <= MAX_TRACEBACK_CHARS
    assert len(failure.body) < 60_000
    assert failure.line


def test_an_exception_whose_text_cannot_be_had_still_has_its_type() -> None:
    """``__str__`` raised; the record says so."""
    body = orjson.loads(describe(_raised(Hostile())).body)
    assert body["type"].endswith(".Hostile")
    assert "KeyboardInterrupt" in body["message"]


def test_a_refused_payload_says_which_fields_and_shows_no_traceback() -> None:
    """The field errors are kept, at most so many."""
    errors = [{"path": f"f{k}", "message": "is missing"} for k in range(200)]
    body = orjson.loads(describe(InvalidPayload(errors)).body)  # type: ignore[arg-type]
    assert body["errors"] == errors[:MAX_FIELD_ERRORS]
    assert "traceback" not in body


def _raises(error: BaseException) -> None:
    raise error


def _fails(text: str) -> None:
    raise ValueError(text)


def _parses(text: str) -> None:
    json.loads(text)


def _parses_too(text: str) -> None:
    json.loads(text)


def _nests(depth: int) -> None:
    if depth == 0:
        _fails("deep")
    _nests(depth - 1)


def _caught(function: Callable[[Any], object], argument: Any) -> Failure:
    try:
        function(argument)
    except BaseException as error:  # noqa: BLE001
        return describe(error)
    raise AssertionError


def test_what_failed_alike_has_one_fingerprint_whatever_its_text() -> None:
    """Same type at the same place: one group, whatever the message; the document says it too."""
    first, second = _caught(_fails, "order 17"), _caught(_fails, "order 18")
    assert first.fingerprint == second.fingerprint
    assert orjson.loads(first.body)["fingerprint"] == first.fingerprint
    assert len(first.fingerprint) == 12


def test_another_place_or_type_has_another_fingerprint() -> None:
    """Other functions of the user's, other exceptions at the same place."""
    fingerprints = {
        _caught(_fails, "x").fingerprint,
        _caught(_parses_too, "x").fingerprint,
        _caught(_nests, 1).fingerprint,
        _caught(int, "x").fingerprint,
        describe(_raised(KeyError("x"))).fingerprint,
    }
    assert len(fingerprints) == 5


def test_a_librarys_frames_do_not_tell_failures_apart() -> None:
    """The same library error at two places of the user's is two groups; a recursion is one."""
    assert _caught(_parses, "[1,").fingerprint != _caught(_parses_too, "[1,").fingerprint
    assert _caught(_nests, 3).fingerprint == _caught(_nests, 200).fingerprint


def test_a_groups_fingerprint_knows_what_it_holds() -> None:
    """A task group raises the same type at the same place whatever its tasks raised."""

    def fails(members: list[Exception]) -> str:
        return _caught(_raises, ExceptionGroup("g", members)).fingerprint

    assert fails([ValueError("a")]) == fails([ValueError("b"), ValueError("c")])
    assert fails([ValueError("a")]) != fails([KeyError("a")])


def test_a_failure_without_exception_has_type_and_message() -> None:
    """What the shard itself found wrong looks the same to readers."""
    failure = plain("Timeout", "ran too long")
    assert orjson.loads(failure.body) == {
        "type": "Timeout",
        "message": "ran too long",
        "fingerprint": failure.fingerprint,
    }
    assert failure.line == "Timeout: ran too long"
