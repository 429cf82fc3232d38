"""What handlers say while they run, gathered and stored: at most every 200 ms a task.

It never holds a handler up and never decides an outcome: while Redis is away the last report and the
last lines are kept, and what is left when the outcome is recorded is lost.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from loguru import logger

from shoal.broker.results import NoteItem
from shoal.errors import BrokerUnavailable
from shoal.model.note import MAX_LOG_BYTES, MAX_LOG_LINES, line_of
from shoal.sealed import seal_document, seal_line
from shoal.submission import MAX_TIMEOUT_S

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.shard.deferred import Deferred
    from shoal.shard.ledger import Held, Ledger
    from shoal.vault import Vault

    _Sent = tuple[Held, NoteItem]

#: A task's reports are stored at most this often, in seconds.
SPACING_S: Final = 0.2
#: After Redis did not answer, reports are stored again after this long, in seconds.
_AGAIN_S: Final = 0.5
#: So many tasks a call: each may bring MAX_LOG_BYTES and more.
_A_CALL: Final = 128


class Note:
    """What one run said and what is not stored yet."""

    __slots__ = ("first", "is_queued", "is_sent", "lines", "next_s", "progress", "size")

    def __init__(self) -> None:
        self.progress: dict[str, Any] | None = None
        self.lines: deque[bytes] = deque()
        #: Bytes of the lines.
        self.size = 0
        #: Number within the run of the first of the lines, from 1.
        self.first = 1
        #: It is about to be stored, or waits for its time.
        self.is_queued = False
        #: A part of it is on its way, and not answered.
        self.is_sent = False
        #: Not to be stored before this, monotonic seconds.
        self.next_s = 0.0

    def add_line(self, line: bytes) -> None:
        """One line more; the oldest go when there are too many."""
        self.lines.append(line)
        self.size += len(line)
        while len(self.lines) > MAX_LOG_LINES or self.size > MAX_LOG_BYTES:
            self.size -= len(self.lines.popleft())
            self.first += 1


class Notes:
    """The desk of one incarnation: every context has it. See ``shoal.context.Desk``."""

    def __init__(
        self,
        broker: Broker,
        incarnation: str,
        ledger: Ledger,
        deferred: Deferred,
        vault: Vault | None = None,
    ) -> None:
        """Must be made in the event loop. ``vault`` seals what is stored; ``None`` = nothing does."""
        self._broker = broker
        self._vault = vault
        self._incarnation = incarnation
        self._ledger = ledger
        self._deferred = deferred
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._lock = threading.Lock()
        self._due: dict[int, list[Held]] = {}

    def extend(self, held: Held, seconds: float) -> None:
        """See ``TaskContext.extend``; what is overdue already stays so."""
        if threading.get_ident() == self._thread_id:
            _extend(held, seconds)
        else:
            self._loop.call_soon_threadsafe(_extend, held, seconds)

    def progress(self, held: Held, document: dict[str, Any]) -> None:
        """The last report counts."""
        if held.has_ended:
            return  # a thread that outlived its handler
        document = {**document, "attempt": held.attempt, "at": _now_ms(held)}
        with self._lock:
            note = self._note(held)
            note.progress = document
            is_new, note.is_queued = not note.is_queued, True
        if is_new:
            self._call(held)

    def log(self, held: Held, level: str, message: str) -> None:
        """One line more for the task's log."""
        if held.has_ended:
            return
        line = line_of(held.attempt, _now_ms(held), level, message)
        if self._vault is not None:
            line = seal_line(self._vault, held.id.decode(), line)
        with self._lock:
            note = self._note(held)
            note.add_line(line)
            is_new, note.is_queued = not note.is_queued, True
        if is_new:
            self._call(held)

    def flush(self, held: Held) -> None:
        """The run has ended: store now what it said last, on the connection that settles it after."""
        note: Note | None = held.note
        if note is not None and (note.progress or note.lines):
            self._send(held.partition, [(held, self._take(held, note))])

    def _note(self, held: Held) -> Note:
        note: Note | None = held.note
        if note is None:
            note = held.note = Note()
        return note

    def _call(self, held: Held) -> None:
        if threading.get_ident() == self._thread_id:
            self._queue(held)
        else:
            self._loop.call_soon_threadsafe(self._queue, held)

    def _queue(self, held: Held) -> None:
        """Store it in the loop's next turn, together with others, or when its time has come."""
        wait_s = self._note(held).next_s - time.monotonic()
        if wait_s > 0:
            self._deferred.later(wait_s, partial(self._come, held))
        else:
            self._come(held)

    def _come(self, held: Held) -> None:
        if self._note(held).is_sent:
            return  # its reply brings it here again
        due = self._due.get(held.partition)
        if due is None:
            due = self._due[held.partition] = []
            self._deferred.soon(partial(self._send_due, held.partition))
        due.append(held)

    def _send_due(self, partition: int) -> None:
        items = [
            (held, self._take(held, self._note(held)))
            for held in self._due.pop(partition)
            if not held.has_ended
        ]
        for at in range(0, len(items), _A_CALL):
            self._send(partition, items[at : at + _A_CALL])

    def _send(self, partition: int, items: list[_Sent]) -> None:
        call = self._broker.note(partition, self._incarnation, [item for _, item in items])
        self._deferred.reply(call, partial(self._answered, partition, items))

    def _take(self, held: Held, note: Note) -> NoteItem:
        with self._lock:
            progress, note.progress = note.progress, None
            lines, first = b"".join(note.lines), note.first
            note.first += len(note.lines)
            note.lines.clear()
            note.size = 0
            note.is_queued = False
            note.is_sent = True
            note.next_s = time.monotonic() + SPACING_S
        document = orjson.dumps(progress) if progress else b""
        if document and self._vault is not None:
            document = seal_document(self._vault, held.id.decode(), "progress", document)
        fraction = progress["fraction"] if progress else 0
        return NoteItem(held.token, held.id, held.type, document, fraction, first, lines)

    def _answered(
        self, partition: int, items: list[_Sent], _reply: object, error: BaseException | None
    ) -> None:
        if isinstance(error, BrokerUnavailable):
            # The same again, which is safe to repeat; meanwhile the next gathers.
            kept = [item for item in items if self._is_held(item[0])]
            if kept:
                self._deferred.later(_AGAIN_S, partial(self._send, partition, kept))
            return
        if error is not None:
            logger.warning("what {} tasks said of themselves is not kept: {}", len(items), error)
        for held, _ in items:
            note = self._note(held)
            note.is_sent = False
            if note.is_queued and not held.has_ended:
                self._queue(held)

    def _is_held(self, held: Held) -> bool:
        """Whether its outcome is not recorded yet, so that a report would still be taken."""
        return self._ledger.get(held.partition, held.token) is held


def _extend(held: Held, seconds: float) -> None:
    if not held.is_overdue and held.timeout_s:
        more_s = max(0.0, min(seconds, MAX_TIMEOUT_S - held.timeout_s))
        held.timeout_s += more_s
        held.deadline += more_s


def _now_ms(held: Held) -> int:
    return int(time.monotonic() * 1000 + held.clock_offset_ms)
