"""An exception as it is recorded: bounded, printable, and without trusting it.

User code decides what an exception says. Its text may be endless, raise when asked for, or hold
what no encoding takes; none of it may keep the outcome from being recorded.
"""

import sysconfig
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
#: How many of the user's innermost functions tell one failure from another.
_PLACES: Final = 3
_MAX_KINDS: Final = 8
#: What lies in these folders is nobody's own code.
_LIBRARIES: Final = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


class Failure(NamedTuple):
    """What is kept of an exception.

    Attributes:
        line: Type and message in one line, for the history; cut there to its length.
        body: JSON with ``type``, ``message``, ``fingerprint``, and ``traceback`` or, for a payload,
            ``errors``.
        fingerprint: The same for what failed in the same way at the same place, so that the dead
            can be shown in groups: 12 hexadecimal digits over the exception's type and the
            innermost functions of the user's own code. Neither the message nor a line's number
            counts, so that it stays the same over other values and small changes of the code.
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
    fingerprint = _fingerprint(_kinds(error, name), trace)
    document: dict[str, Any] = {"type": name, "message": message, "fingerprint": fingerprint}
    if isinstance(error, InvalidPayload):
        # Where in Shoal's own code the payload was refused helps nobody.
        document["errors"] = error.errors[:MAX_FIELD_ERRORS]
    else:
        document["traceback"] = _traceback(error, trace)
    line = f"{name}: {message}" if message else name
    return Failure(line, _dump(document), fingerprint)


def plain(name: str, message: str) -> Failure:
    """A failure that no exception stands for: ``name`` is its kind, one word."""
    fingerprint = _fingerprint([name], None)
    document = {"type": name, "message": message, "fingerprint": fingerprint}
    return Failure(f"{name}: {message}", _dump(document), fingerprint)


def leaves(error: BaseException) -> list[BaseException]:
    """The exception, or what the groups in it hold; a task group wraps whatever its tasks raise."""
    found, stack = [], [error]
    while stack:
        one = stack.pop()
        if isinstance(one, BaseExceptionGroup):
            stack.extend(one.exceptions)
        else:
            found.append(one)
    return found


def message_of(error: BaseException) -> str:
    """``str(error)``, cut to MAX_MESSAGE_CHARS; a placeholder when it cannot be had."""
    try:
        return _bounded(str(error), MAX_MESSAGE_CHARS)
    except BaseException as problem:  # noqa: BLE001 - __str__ is user code
        return f"(its text cannot be had: {type(problem).__name__})"


def _is_own(trace: TracebackType) -> bool:
    return _module(trace).startswith("shoal.shard.")


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


def _kinds(error: BaseException, name: str) -> list[str]:
    """Its type; of a group also the types of what it holds, since a task group is always one."""
    if not isinstance(error, BaseExceptionGroup):
        return [name]
    return [name, *sorted({_type_name(leaf) for leaf in leaves(error)})[:_MAX_KINDS]]


def _fingerprint(kinds: list[str], trace: TracebackType | None) -> str:
    own: list[str] = []
    all_places: list[str] = []
    # The outermost frame is the handler's: its package is the user's, wherever it is installed.
    handlers_package = _module(trace).partition(".")[0] if trace is not None else ""
    while trace is not None:
        code, module = trace.tb_frame.f_code, _module(trace)
        place = f"{module}:{code.co_qualname}"
        # A recursion is one place, however deep it went.
        if not all_places or all_places[-1] != place:
            all_places.append(place)
            is_own = module.partition(".")[0] == handlers_package
            if is_own or not code.co_filename.startswith(("<frozen", *_LIBRARIES)):
                own.append(place)
        trace = trace.tb_next
    text = "\n".join([*kinds, *(own or all_places)[-_PLACES:]])
    return blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _module(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", ""))


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
        return orjson.dumps({name: document[name] for name in ("type", "message", "fingerprint")})
