"""What is kept of an exception."""

import orjson
import pytest

from shoal.errors import InvalidPayload
from shoal.shard.failure import (
    MAX_FIELD_ERRORS,
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
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
    assert set(body) == {"type", "message", "traceback"}
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


def test_what_failed_alike_has_one_fingerprint_whatever_its_text() -> None:
    """Same type, same place: the same; another type or place: another."""

    def here(text: str) -> BaseException:
        return _raised(ValueError(text))

    def there(text: str) -> BaseException:
        return _raised(ValueError(text))

    def elsewhere() -> BaseException:
        try:
            int("x")
        except ValueError as error:
            return error
        raise AssertionError

    assert describe(here("a")).fingerprint == describe(there("b")).fingerprint
    assert describe(here("a")).fingerprint != describe(elsewhere()).fingerprint
    assert describe(here("a")).fingerprint != describe(_raised(KeyError("a"))).fingerprint


def test_a_failure_without_exception_has_type_and_message() -> None:
    """What the shard itself found wrong looks the same to readers."""
    failure = plain("Timeout", "ran too long")
    assert orjson.loads(failure.body) == {"type": "Timeout", "message": "ran too long"}
    assert failure.line == "Timeout: ran too long"
