r"""A task's history: one line for each attempt, interruption and requeue.

A line is seven fields with ``\x1f`` between them and ``\n`` at its end::

    kind · token · worker · start ms · duration µs · outcome · error

The broker's scripts append them; the first three fields and the newline are theirs, the rest is
``line_tail``.
"""

import re
from typing import NamedTuple

FIELD_SEPARATOR = "\x1f"
#: Longest error that a line keeps, in characters; the full one stands beside the task.
MAX_ERROR_CHARS = 200

#: ``run``: an outcome was recorded. ``interrupted``: handed back, with the reason as outcome.
#: ``requeued``: by an operator; attempts are counted anew from here.
KINDS = frozenset({"run", "interrupted", "requeued"})
#: Outcomes that use up an attempt. Not among them: ``returned`` (handed back unrun) and
#: ``deferred`` (this worker has no handler for the type).
OUTCOMES_THAT_COUNT = frozenset({"completed", "failed", "dead", "cancelled"})

_COUNTED = re.compile(
    rb"^run\x1f(?:[^\x1f\n]*\x1f){4}(?:%b)\x1f" % "|".join(sorted(OUTCOMES_THAT_COUNT)).encode(),
    re.MULTILINE,
)
_BREAKS = str.maketrans(dict.fromkeys("\n\r\x1f", " "))


class HistoryLine(NamedTuple):
    """One line of a task's history."""

    #: One of ``KINDS``.
    kind: str
    #: The claim token; for ``requeued`` the operation id.
    token: str
    #: The incarnation that ran it; empty when none did.
    worker: str
    #: Redis wall time in milliseconds; 0 when not recorded.
    start_ms: int
    #: 0 when not recorded.
    duration_us: int
    #: How it ended, or for ``interrupted`` the reason.
    outcome: str
    #: At most ``MAX_ERROR_CHARS``; empty when there was none.
    error: str


def count_attempts(history: bytes | None) -> int:
    """Attempts used up since the last requeue; ``None`` and ``b""`` are a task that never ran.

    The attempt that a claim begins is this + 1.
    """
    if not history:
        return 0
    # The counts concern what follows the last requeue; +1 keeps the line's own newline out.
    start = history.rfind(b"\nrequeued\x1f") + 1
    return sum(1 for _ in _COUNTED.finditer(history, start))


def line_tail(start_ms: int, duration_us: int, outcome: str, error: str = "") -> bytes:
    """The last four fields of a line, without its newline.

    Args:
        start_ms: Redis wall time at which the handler began, in milliseconds.
        duration_us: How long it ran, in microseconds.
        outcome: One word.
        error: What went wrong, shortened to ``MAX_ERROR_CHARS``, its line breaks made spaces.
    """
    if not error:
        return b"%d\x1f%d\x1f%b\x1f" % (start_ms, duration_us, outcome.encode())
    # A lone surrogate in an exception's text must not keep its outcome from being recorded.
    text = error[:MAX_ERROR_CHARS].translate(_BREAKS).encode("utf-8", "replace")
    return b"%d\x1f%d\x1f%b\x1f%b" % (start_ms, duration_us, outcome.encode(), text)


def parse_history(history: bytes) -> list[HistoryLine]:
    """Read a history, oldest line first; ``b""`` is an empty one.

    Raises:
        ValueError: A line does not have seven fields, or a number is none.
    """
    text = history.decode("utf-8", "replace")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [_parse_line(line, number) for number, line in enumerate(lines, 1)]


def _parse_line(line: str, number: int) -> HistoryLine:
    try:
        kind, token, worker, start, duration, outcome, error = line.split(FIELD_SEPARATOR)
        return HistoryLine(kind, token, worker, int(start or 0), int(duration or 0), outcome, error)
    except ValueError:
        raise ValueError(f"line {number} of the history is damaged: {line!r:.200}") from None
