"""Logs: JSON lines, or readable lines on a terminal; with worker and task ids, without payloads.

What Shoal itself logs never holds a payload. An error's text may quote one, so:

* while a task's code runs (``task_id`` is set) an exception is logged by its type and where it was
  raised, without its text; the text stands in the task's own record, which needs a key to read;
* elsewhere its text is cut at ``MAX_ERROR_CHARS``; variables' values are never shown.

The standard library's ``logging`` is sent the same way, so that libraries' lines look alike.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import orjson
from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record, RecordException

__all__ = ["MAX_ERROR_CHARS", "configure", "describe_error", "logger", "task_id"]

#: An error's text is cut here.
MAX_ERROR_CHARS = 300
#: A message is cut here.
MAX_MESSAGE_CHARS = 4000
#: Innermost frames of a stack that are shown.
MAX_FRAMES = 12
_MAX_MEMBERS = 3

#: The task whose code runs in this context; its lines carry it. Empty = none.
task_id: ContextVar[str] = ContextVar("shoal_task_id", default="")

_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m"}
_RESET = "\x1b[0m"


def configure(
    level: str, *, worker: str = "", stream: TextIO | None = None, as_json: bool | None = None
) -> None:
    """Send all logs of this process to ``stream``; may be called again, after a fork for example.

    Args:
        level: The least severe level shown: debug, info, warning or error.
        worker: Which worker this is; a field of every line. Empty = none.
        stream: Where to; None = standard error.
        as_json: One JSON object a line; None = unless ``stream`` is a terminal.
    """
    out = stream or sys.stderr
    shown_as_json = not out.isatty() if as_json is None else as_json
    is_coloured = out.isatty()

    def write(message: Message) -> None:
        # One call, so that lines of several processes on one pipe do not mix.
        fields = _fields(message.record, worker)
        if shown_as_json:
            out.write(_as_json(message.record, fields))
        else:
            out.write(_as_text(message.record, fields, is_coloured=is_coloured))
        out.flush()

    logger.remove()
    # The text that loguru would make is not used, and an exception is rendered here.
    logger.add(
        write, level=level.upper(), format=lambda _: "", backtrace=False, diagnose=False, catch=True
    )
    root = logging.getLogger()
    root.handlers[:] = [_Intercepted()]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


class _Intercepted(logging.Handler):
    """Passes the standard library's log records on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record under its own logger's name."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a library's wrong format string must not raise here
            message = str(record.msg)
        if record.name == _ASYNCIO:
            # Its second line is the repr of a task, which quotes the exception.
            message = message.partition("\n")[0]
        level: str | int = record.levelname if record.levelname in _LEVELS else record.levelno

        def rename(written: Record) -> None:
            written["name"] = record.name

        logger.patch(rename).opt(exception=record.exc_info).log(level, "{}", message)


_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
#: asyncio reports what tasks raised from anywhere, so without the task's id.
_ASYNCIO = "asyncio"


def describe_error(error: BaseException, *, with_text: bool = True) -> str:
    """An exception in one bounded line: its type, and its text if that may be told.

    Of a group, its first members.
    """
    kind = type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        members = (describe_error(e, with_text=with_text) for e in error.exceptions[:_MAX_MEMBERS])
        return f"{kind}: {'; '.join(members)}"
    text = " ".join(str(error).split()) if with_text else ""
    if len(text) > MAX_ERROR_CHARS:
        text = text[:MAX_ERROR_CHARS] + "…"
    return f"{kind}: {text}" if text else kind


def _frames(trace: TracebackType | None) -> list[str]:
    """Where it was raised, outermost first: file, line and function, never values or source."""
    stack = traceback.extract_tb(trace)[-MAX_FRAMES:]
    return [f"{os.path.basename(f.filename)}:{f.lineno} {f.name}" for f in stack]  # noqa: PTH119


def _error_of(exception: RecordException | None, *, with_text: bool) -> dict[str, Any] | None:
    if exception is None or exception.value is None:
        return None
    return {
        "error": describe_error(exception.value, with_text=with_text),
        "stack": _frames(exception.traceback),
    }


def _fields(record: Record, worker: str) -> dict[str, Any]:
    """What a line says beside time, level and message."""
    fields: dict[str, Any] = {}
    if worker:
        fields["worker"] = worker
    task = record["extra"].get("task") or task_id.get()
    if task:
        fields["task"] = str(task)
    for name, value in record["extra"].items():
        if name not in fields and name != "task":
            fields[name] = value if isinstance(value, int | float | bool) else _cut(str(value))
    may_tell = not task and record["name"] != _ASYNCIO
    error = _error_of(record["exception"], with_text=may_tell)
    if error:
        fields.update(error)
    return fields


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE_CHARS else text[:MAX_MESSAGE_CHARS] + "…"


def _as_json(record: Record, fields: dict[str, Any]) -> str:
    line = {
        "time": record["time"].astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": record["level"].name.lower(),
        "message": _cut(record["message"]),
        "logger": record["name"],
        "pid": record["process"].id,
        **fields,
    }
    return orjson.dumps(line, default=str).decode() + "\n"


def _as_text(record: Record, fields: dict[str, Any], *, is_coloured: bool) -> str:
    level = record["level"].name
    stack = fields.pop("stack", ())
    rest = "".join(f"  {name}={_one_line(str(value))}" for name, value in fields.items())
    colour = _COLOURS.get(level, "") if is_coloured else ""
    line = (
        f"{record['time']:HH:mm:ss.SSS} {colour}{level.lower():<8}{_RESET if colour else ''}"
        f"{_one_line(_cut(record['message']))}{rest}\n"
    )
    return line + "".join(f"    at {frame}\n" for frame in stack)


def _one_line(text: str) -> str:
    """The text with control characters escaped: nobody may forge a line or colour the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
