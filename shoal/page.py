"""The page a shard shares with its supervisor: what it runs, and that it lives.

One anonymous shared mapping, made before the fork, written by the shard, read by its supervisor
and by the exporter. It outlives the shard, so after a crash it still says which task's code was
executing. It has no lock: a stopped or dead writer must never hold up a reader.

Layout, native byte order, all offsets in bytes:

======  =====  =============================================================================
offset  type   meaning
======  =====  =============================================================================
0       int64  magic, ``MAGIC``
8       int64  number of slots
16      int64  pid of the shard, 0 when none lives (written by the supervisor)
24      int64  restarts of the shard that this page has seen (written by the supervisor)
32      int64  state, a :class:`PageState`
40      int64  slot whose code runs on the event loop now, plus one; 0 = none
48      int64  last successful reply of the broker, monotonic ms; 0 = never
56      int64  last tick of the renew thread, monotonic ms; 0 = never
64      int64  last tick of the event loop, monotonic ms; 0 = never
72      int64  tasks processed since the shard started (every outcome)
80      int64  of these, tasks whose attempt failed
88      int64  tasks running now
96      int64  start of the shard, monotonic ms (written by the supervisor)
104     int64  last time the shard heard that isolated tasks wait, monotonic ms; 0 = never
128 …          the slots, ``SLOT_BYTES`` each
======  =====  =============================================================================

A slot:

======  =====  =============================================================================
0       int64  sequence: 0 = empty, odd = being written, even = stable
8       int64  1 while the slot's code runs in a thread of its own, else 0
16      uint16 partition, length of token, length of task id, length of type
24      bytes  token, task id and type, one after the other
======  =====  =============================================================================

A reader takes the sequence, the bytes, and the sequence again; when the two differ or are odd, it
looks again and in the end reports the slot as unreadable. Eight-byte stores are aligned and so
never torn. The monotonic clock is the host's: processes of one host may compare its values.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from shoal.clock import mono_ms

__all__ = ["Page", "PageSnapshot", "PageState", "SlotSnapshot", "page_bytes"]

MAGIC = 0x314C414F4853  # "SHOAL1", little endian
HEADER_BYTES = 128
SLOT_BYTES = 384
TEXT_OFFSET = 24
#: Room for token, task id and type of one slot, in bytes; the longest legal ones take less.
TEXT_BYTES = SLOT_BYTES - TEXT_OFFSET

# Indices into the header's int64 fields.
_MAGIC, _SLOTS, _PID, _RESTARTS, _STATE, _EXECUTING = range(6)
_CONTACT, _TICK, _LOOP_TICK, _PROCESSED, _FAILED, _RUNNING, _STARTED, _ISOLATED = range(6, 14)

_WORD = 8
_SLOT_WORDS = SLOT_BYTES // _WORD
_HEADER_WORDS = HEADER_BYTES // _WORD
_LENGTHS = Struct("=HHHH")
_READ_ATTEMPTS = 8


class PageState(IntEnum):
    """What a shard is doing, as far as its supervisor must know."""

    #: Forked, and not yet able to claim.
    STARTING = 0
    #: Able to claim.
    READY = 1
    #: Claims nothing because an operator said so, or because Redis is too slow.
    PAUSED = 2
    #: Claims nothing more and will exit.
    DRAINING = 3
    #: Has come to its own end and exits now; a process that is gone without it was ended by something else.
    ENDED = 4


@dataclass(frozen=True, slots=True)
class SlotSnapshot:
    """One task that a shard holds."""

    index: int
    partition: int
    token: bytes
    task_id: bytes
    type: bytes
    #: Whether its code ran at the moment of reading: on the event loop, or in a thread of its own.
    executing: bool


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """What a page said at one moment; times are monotonic milliseconds, 0 = never."""

    pid: int
    restarts: int
    state: PageState
    contact_ms: int
    tick_ms: int
    loop_tick_ms: int
    processed: int
    failed: int
    running: int
    started_ms: int
    #: Number of slots, which is the shard's concurrency.
    capacity: int
    #: The occupied slots that could be read whole.
    slots: tuple[SlotSnapshot, ...]
    #: Slots that were being written all the while: their tasks are unknown.
    unreadable: int

    @property
    def executing(self) -> tuple[SlotSnapshot, ...]:
        """The tasks whose code ran at the moment of reading."""
        return tuple(slot for slot in self.slots if slot.executing)

    def is_able_to_claim(self, now_ms: int, silence_ms: int = 3000) -> bool:
        """Whether it lives, is not paused, and heard from the broker within ``silence_ms``."""
        return (
            self.pid != 0
            and self.state is PageState.READY
            and self.contact_ms > now_ms - silence_ms
        )


def page_bytes(slots: int) -> int:
    """Size of a page with this many slots, in bytes."""
    return HEADER_BYTES + slots * SLOT_BYTES


class Page:
    """One shard's part of the shared memory.

    One process writes. Of its methods ``tick``, ``contact`` and ``in_thread`` may be called from
    any thread, the others from the event loop's only. Together they cost a task less than 3 µs.
    """

    __slots__ = ("_bytes", "_clock_ms", "_sequence", "_words", "room", "slots")

    def __init__(
        self, memory: memoryview, slots: int, clock_ms: Callable[[], int] = mono_ms
    ) -> None:
        """Lay a page over ``memory``, which holds at least ``page_bytes(slots)`` bytes."""
        if slots < 1:
            raise ValueError(f"a page needs at least one slot, not {slots}")
        if len(memory) < page_bytes(slots):
            raise ValueError(f"{slots} slots need {page_bytes(slots)} bytes, not {len(memory)}")
        self.slots = slots
        #: How many slots the memory has place for.
        self.room = (len(memory) - HEADER_BYTES) // SLOT_BYTES
        self._clock_ms = clock_ms
        self._bytes = memory
        self._words = memory[: page_bytes(self.room)].cast("q")
        self._sequence = 0
        self._words[_MAGIC] = MAGIC
        self._words[_SLOTS] = slots

    @classmethod
    def create(cls, slots: int, clock_ms: Callable[[], int] = mono_ms) -> Page:
        """Map a page of its own with this many slots (one per task that may run at once)."""
        return cls(memoryview(mmap.mmap(-1, page_bytes(max(slots, 1)))), slots, clock_ms)

    # -- the shard writes --

    def tick(self) -> None:
        """The renew thread lives; call it at least once a second."""
        self._words[_TICK] = self._clock_ms()

    def loop_tick(self) -> None:
        """The event loop turns; call it at least once a second."""
        self._words[_LOOP_TICK] = self._clock_ms()

    def contact(self) -> None:
        """The broker has just answered a claim or a renew; readiness depends on it."""
        self._words[_CONTACT] = self._clock_ms()

    def heard_isolated(self) -> None:
        """Isolated tasks wait, and no isolation shard sleeps: the supervisor shall start one."""
        self._words[_ISOLATED] = self._clock_ms()

    def set_slot(
        self, index: int, partition: int, token: bytes, task_id: bytes, task_type: bytes
    ) -> None:
        """Note that a slot holds this task.

        A token, id or type that does not fit is cut: the page is evidence, not the record.
        """
        if not 0 <= index < self.slots:
            raise IndexError(f"slot {index} of a page of {self.slots}")
        words = self._words
        at = _HEADER_WORDS + index * _SLOT_WORDS
        sequence = self._sequence = self._sequence + 2
        words[at] = sequence - 1
        words[at + 1] = 0
        text = token + task_id + task_type
        if len(text) > TEXT_BYTES:
            token, task_id, task_type = token[:160], task_id[:64], task_type[:128]
            text = token + task_id + task_type
        start = at * _WORD + 16
        record = _LENGTHS.pack(partition, len(token), len(task_id), len(task_type)) + text
        self._bytes[start : start + len(record)] = record
        words[at] = sequence

    def clear_slot(self, index: int) -> None:
        """Note that a slot is free."""
        if not 0 <= index < self.slots:
            raise IndexError(f"slot {index} of a page of {self.slots}")
        self._words[_HEADER_WORDS + index * _SLOT_WORDS] = 0

    def executing(self, index: int) -> None:
        """The event loop now runs this slot's code; call it at each step of its coroutine."""
        self._words[_EXECUTING] = index + 1

    def idle(self) -> None:
        """The event loop now runs no task's code."""
        self._words[_EXECUTING] = 0

    @property
    def executing_slot(self) -> int | None:
        """The slot whose code the event loop runs now; ``None`` = no task's."""
        index = self._words[_EXECUTING] - 1
        return index if index >= 0 else None

    def in_thread(self, index: int, *, running: bool) -> None:
        """A thread of its own begins or ends running this slot's code."""
        if not 0 <= index < self.slots:
            raise IndexError(f"slot {index} of a page of {self.slots}")
        self._words[_HEADER_WORDS + index * _SLOT_WORDS + 1] = running

    @property
    def state(self) -> PageState:
        """What the shard is doing."""
        return PageState(self._words[_STATE])

    @state.setter
    def state(self, state: PageState) -> None:
        self._words[_STATE] = state

    @property
    def processed(self) -> int:
        """Tasks processed since the shard started, whatever their outcome."""
        return self._words[_PROCESSED]

    @processed.setter
    def processed(self, count: int) -> None:
        self._words[_PROCESSED] = count

    @property
    def failed(self) -> int:
        """Of the tasks processed, those whose attempt failed."""
        return self._words[_FAILED]

    @failed.setter
    def failed(self, count: int) -> None:
        self._words[_FAILED] = count

    @property
    def running(self) -> int:
        """Tasks running now."""
        return self._words[_RUNNING]

    @running.setter
    def running(self, count: int) -> None:
        self._words[_RUNNING] = count

    # -- the supervisor writes --

    def resize(self, slots: int) -> None:
        """Have this many slots from the next shard on; nobody may be writing to the page.

        Raises:
            ValueError: There is no ``room`` for them.
        """
        if not 1 <= slots <= self.room:
            raise ValueError(f"a page with room for {self.room} slots can't have {slots}")
        self.slots = slots
        self._words[_SLOTS] = slots

    def begin(self, restarts: int) -> None:
        """Wipe the page for a shard about to be forked, the ``restarts``-th replacement."""
        start, end = _WORD * _PID, page_bytes(self.slots)
        self._bytes[start:end] = bytes(end - start)
        self._words[_RESTARTS] = restarts
        self._words[_STARTED] = self._clock_ms()

    def set_pid(self, pid: int) -> None:
        """Say which process writes this page; 0 = none, it has ended."""
        self._words[_PID] = pid

    # -- anybody reads --

    @property
    def pid(self) -> int:
        """The shard's process id, 0 when none lives."""
        return self._words[_PID]

    @property
    def tick_ms(self) -> int:
        """Last tick of the renew thread, monotonic ms; 0 = never."""
        return self._words[_TICK]

    @property
    def isolated_ms(self) -> int:
        """When the shard last heard that isolated tasks wait, monotonic ms; 0 = never."""
        return self._words[_ISOLATED]

    @property
    def started_ms(self) -> int:
        """Start of the last shard here, monotonic ms; 0 = there was none."""
        return self._words[_STARTED]

    def snapshot(self, *, slots: bool = True) -> PageSnapshot:
        """Read the page; never waits, whatever its writer does.

        Args:
            slots: Whether to read the slots too; gauges need only the header.
        """
        words = self._words
        occupied: list[SlotSnapshot] = []
        unreadable = 0
        executing = words[_EXECUTING] - 1
        for index in range(self.slots) if slots else ():
            found = self._read_slot(index, executing)
            if found is None:
                unreadable += 1
            elif found is not _EMPTY:
                occupied.append(found)
        return PageSnapshot(
            pid=words[_PID],
            restarts=words[_RESTARTS],
            state=PageState(words[_STATE]),
            contact_ms=words[_CONTACT],
            tick_ms=words[_TICK],
            loop_tick_ms=words[_LOOP_TICK],
            processed=words[_PROCESSED],
            failed=words[_FAILED],
            running=words[_RUNNING],
            started_ms=words[_STARTED],
            # By the page, since a reader may have been forked before it was resized.
            capacity=words[_SLOTS],
            slots=tuple(occupied),
            unreadable=unreadable,
        )

    def _read_slot(self, index: int, executing: int) -> SlotSnapshot | None:
        """The slot's task, ``_EMPTY``, or None when its writer was always in the middle of it."""
        words = self._words
        at = _HEADER_WORDS + index * _SLOT_WORDS
        start = at * _WORD + 16
        for _ in range(_READ_ATTEMPTS):
            sequence = words[at]
            if sequence == 0:
                return _EMPTY
            record = bytes(self._bytes[start : start + _LENGTHS.size + TEXT_BYTES])
            in_thread = words[at + 1] == 1
            if sequence % 2 or words[at] != sequence:
                continue
            partition, token, task_id, task_type = _LENGTHS.unpack_from(record)
            text = record[_LENGTHS.size :]
            return SlotSnapshot(
                index=index,
                partition=partition,
                token=text[:token],
                task_id=text[token : token + task_id],
                type=text[token + task_id : token + task_id + task_type],
                executing=in_thread or index == executing,
            )
        return None


_EMPTY = SlotSnapshot(-1, 0, b"", b"", b"", False)
