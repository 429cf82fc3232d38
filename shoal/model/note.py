r"""What a handler reports of itself while it runs: how far it is, and lines of its task's own log. Pure.

A task's log is kept as JSON lines, ``[attempt, unix ms, level, message]`` with ``\n`` after each;
its progress as one JSON object. Both are bounded here, where they are made, and again by the script
that stores them.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

#: Longest message of a log line or of a progress report, in characters; more is cut.
MAX_MESSAGE_CHARS: Final = 1000
#: A task keeps its last lines, at most so many and so many bytes.
MAX_LOG_LINES: Final = 100
MAX_LOG_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a handler wrote with ``ctx.log``."""

    #: The attempt that wrote it, from 1.
    attempt: int
    at: datetime
    level: str
    message: str


def progress_of(current: float, total: float | None, message: str) -> dict[str, Any]:
    """A progress report as it is kept.

    Args:
        current: How much is done; without ``total`` a fraction from 0 to 1.
        total: Of how much.
        message: What is being done; cut to MAX_MESSAGE_CHARS.

    Returns:
        ``fraction`` from 0 to 1, and ``current``, ``total`` and ``message`` where they were given.

    Raises:
        ValueError: It is no number, or the total is not above 0.
    """
    _check_number("current", current)
    if total is None:
        document: dict[str, Any] = {"fraction": _clamped(current)}
    else:
        _check_number("total", total)
        if total <= 0:
            raise ValueError(f"total must be above 0, not {total!r}")
        document = {"fraction": _clamped(current / total), "current": current, "total": total}
    if message:
        document["message"] = cut(str(message))
    return document


def line_of(attempt: int, at_ms: int, level: str, message: str) -> bytes:
    r"""A log line as it is kept, with its ``\n``."""
    return json.dumps([attempt, at_ms, level, cut(message)]).encode() + b"\n"


def check_level(level: str) -> None:
    """Refuse what is no level.

    Raises:
        ValueError: Says which there are.
    """
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {level!r:.80}")


def parse_log(stored: bytes) -> tuple[LogLine, ...]:
    """The lines of a task's log, oldest first; a damaged one is left out."""
    return tuple(line for line in map(_parsed, stored.split(b"\n")) if line is not None)


def parse_progress(stored: bytes) -> Mapping[str, Any] | None:
    """A stored progress report; ``None`` when it cannot be read."""
    try:
        document = json.loads(stored)
    except ValueError:
        return None
    return MappingProxyType(document) if isinstance(document, dict) else None


def cut(text: str) -> str:
    """At most MAX_MESSAGE_CHARS of a text, and nothing that UTF-8 does not take."""
    if len(text) > MAX_MESSAGE_CHARS:
        text = text[: MAX_MESSAGE_CHARS - 1] + "…"
    return text.encode("utf-8", "replace").decode()


def _parsed(raw: bytes) -> LogLine | None:
    try:
        attempt, at_ms, level, message = json.loads(raw)
        return LogLine(int(attempt), datetime.fromtimestamp(at_ms / 1000, UTC), level, message)
    except (ValueError, TypeError, OverflowError):
        return None


def _clamped(fraction: float) -> float:
    return round(min(max(fraction, 0.0), 1.0), 6)


def _check_number(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):  # type: ignore[arg-type]
        raise ValueError(f"{name} must be a finite number, not {value!r:.80}")
