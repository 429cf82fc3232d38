"""An exception as it is recorded: bounded, printable, and without trusting it.

User code decides what an exception says. Its text may be endless, raise when asked for, or hold
what no encoding takes; none of it may keep the outcome from being recorded.
"""

import traceback
from hashlib import blake2b
from types import TracebackType
from typing import Any, Final, NamedTuple

import orjson

from shoal.errors import InvalidPayload

MAX_MESSAGE_CHARS: Final = 2_000
MAX_TRACEBACK_CHARS: Final = 8_000
MAX_FIELD_ERRORS: Final = 50
_FRAMES: Final = 20


class Failure(NamedTuple):
    """What is kept of an exception.

    Attributes:
        line: Type and message in one line, for the history; cut there to its length.
        body: JSON with ``type``, ``message``, ``traceback`` and, for a payload, ``errors``.
        fingerprint: The same for what failed in the same way at the same place, so that the dead
            can be shown in groups.
    """

    line: str
    body: bytes
    fingerprint: str


def describe(error: BaseException) -> Failure:
    """Record an exception, whatever it is; the frames of the shard that lead to the handler are left out."""
    name = _type_name(error)
    message = message_of(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and _is_own(trace):
        trace = trace.tb_next
    document: dict[str, Any] = {"type": name, "message": message}
    if isinstance(error, InvalidPayload):
        # Where in Shoal's own code the payload was refused helps nobody.
        document["errors"] = error.errors[:MAX_FIELD_ERRORS]
    else:
        document["traceback"] = _traceback(error, trace)
    line = f"{name}: {message}" if message else name
    return Failure(line, _dump(document), _fingerprint(name, trace))


def plain(name: str, message: str) -> Failure:
    """A failure that no exception stands for: ``name`` is its kind, one word."""
    document = {"type": name, "message": message}
    return Failure(f"{name}: {message}", _dump(document), _fingerprint(name, None))


def message_of(error: BaseException) -> str:
    """``str(error)``, cut to MAX_MESSAGE_CHARS; a placeholder when it cannot be had."""
    try:
        return _bounded(str(error), MAX_MESSAGE_CHARS)
    except BaseException as problem:  # noqa: BLE001 - __str__ is user code
        return f"(its text cannot be had: {type(problem).__name__})"


def _is_own(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__", "")).startswith("shoal.shard.")


def _type_name(error: BaseException) -> str:
    kind = type(error)
    module = getattr(kind, "__module__", "builtins")
    name = kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
    return _bounded(name, 200)


def _traceback(error: BaseException, trace: TracebackType | None) -> str:
    try:
        record = traceback.TracebackException(
            type(error), error, trace, limit=-_FRAMES, compact=True, max_group_width=8
        )
        text = "".join(record.format())
    except BaseException as problem:  # noqa: BLE001 - it formats what user code defines
        return f"(the traceback cannot be had: {type(problem).__name__})"
    # The end of a traceback says the most.
    return _bounded(text[-MAX_TRACEBACK_CHARS:], MAX_TRACEBACK_CHARS)


def _fingerprint(name: str, trace: TracebackType | None) -> str:
    places = [name]
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{code.co_name}")
        trace = trace.tb_next
    return blake2b(
        "\n".join(places[:1] + places[-3:]).encode("utf-8", "replace"), digest_size=6
    ).hexdigest()


def _bounded(text: str, chars: int) -> str:
    if len(text) > chars:
        text = text[: chars - 1] + "…"
    # A lone surrogate cannot be written as JSON.
    return text.encode("utf-8", "replace").decode("utf-8")


def _dump(document: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except (TypeError, ValueError):
        # Field errors may quote the payload.
        return orjson.dumps({"type": document["type"], "message": document["message"]})
