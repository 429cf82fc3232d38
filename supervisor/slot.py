"""A slot: the place of one shard, whichever process fills it at the moment."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from enum import Enum

from shoal.lifecycle import EXIT_RECYCLED, EXIT_STAYS_DOWN, READY, parse_startup_failure
from shoal.model.identity import ISOLATION_INDEX, slot_label
from shoal.page import Page
from shoal.supervisor.restart import Life

__all__ = ["Ending", "Phase", "Report", "Slot"]

#: A child's report is one line; more than this is not one.
MAX_REPORT_BYTES = 4096


class Phase(Enum):
    """Where a slot stands."""

    #: No process, and none wanted.
    EMPTY = "empty"
    #: No process; the next one is due at ``due_s``.
    WAITING = "waiting"
    #: Forked, and not yet able to claim.
    STARTING = "starting"
    #: Able to claim.
    READY = "ready"


class Report:
    """What a child writes to its pipe: that it is ready, or why it cannot start."""

    def __init__(self, fd: int) -> None:
        """Read from ``fd``, which this object owns from now on."""
        os.set_blocking(fd, False)
        self.fd = fd
        self._bytes = b""
        self._is_open = True

    def read(self) -> bool:
        """Take what is there; False when nothing more can come."""
        while self._is_open:
            try:
                part = os.read(self.fd, MAX_REPORT_BYTES)
            except BlockingIOError:
                return True
            if not part:
                return False
            if len(self._bytes) < MAX_REPORT_BYTES:
                self._bytes += part
        return False

    def close(self) -> None:
        """Close the pipe; may be called again."""
        if self._is_open:
            self._is_open = False
            os.close(self.fd)

    @property
    def is_open(self) -> bool:
        """Whether the child may still write."""
        return self._is_open

    @property
    def is_ready(self) -> bool:
        """Whether the child said that it is ready."""
        return self._bytes.startswith(READY)

    @property
    def failure(self) -> tuple[int, str] | None:
        """Exit status and message of a start that failed; None = it said nothing of the kind."""
        return parse_startup_failure(self._bytes)

    @property
    def text(self) -> str:
        """All that was written."""
        return self._bytes.decode("utf-8", "replace").strip()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended."""

    #: As ``waitpid`` gave it.
    wait_status: int

    @property
    def exit_status(self) -> int | None:
        """What it exited with; None = a signal killed it."""
        return None if self.signal else os.waitstatus_to_exitcode(self.wait_status)

    @property
    def is_clean(self) -> bool:
        """Whether it ended well, having handed back or settled all it had."""
        return self.exit_status in {0, EXIT_RECYCLED, EXIT_STAYS_DOWN}

    @property
    def signal(self) -> int:
        """The signal that killed it; 0 = none did."""
        return os.WTERMSIG(self.wait_status) if os.WIFSIGNALED(self.wait_status) else 0

    def __str__(self) -> str:
        if self.signal:
            try:
                return f"killed by {signal.Signals(self.signal).name}"
            except ValueError:
                return f"killed by signal {self.signal}"
        return f"exit status {self.exit_status}"


@dataclass(slots=True)
class Slot:
    """The state of one place; the arbiter changes it, times are monotonic seconds."""

    index: int
    page: Page
    phase: Phase = Phase.EMPTY
    pid: int = 0
    #: ``<WORKER_ID>-<index>.<nonce>`` of the process that is or was last here.
    incarnation: str = ""
    #: The incarnation that died here without having left, whose name the next one takes over.
    replaces: str | None = None
    report: Report | None = None
    started_s: float = 0.0
    ready_s: float = 0.0
    #: When to fork the next process, in WAITING.
    due_s: float = 0.0
    #: By when the process must be gone; None = it was not told to go.
    kill_s: float | None = None
    #: Whether a new process follows at once when this one ends as told.
    is_rolling: bool = False
    #: Processes forked here so far.
    starts: int = 0
    #: When the process was asked for its stacks because it was silent; None = it was not.
    dumped_s: float | None = None
    #: Why its supervisor killed it, where that is the fault of what it ran; empty = it did not.
    killed_for: str = ""
    #: Whether it was ever said that this process takes long to start.
    was_slow: bool = False

    @property
    def label(self) -> str:
        """What people call it."""
        return slot_label(self.index)

    @property
    def is_isolation(self) -> bool:
        """Whether it is the place of the isolation shard."""
        return self.index == ISOLATION_INDEX

    @property
    def is_alive(self) -> bool:
        """Whether a process is here."""
        return self.pid != 0

    @property
    def is_stopping(self) -> bool:
        """Whether its process was told to go."""
        return self.kill_s is not None

    def started(self, pid: int, incarnation: str, report: Report, now_s: float) -> None:
        """A process was forked here."""
        self.phase = Phase.STARTING
        self.pid = pid
        self.incarnation = incarnation
        self.report = report
        self.started_s = now_s
        self.ready_s = 0.0
        self.kill_s = None
        self.is_rolling = False
        self.dumped_s = None
        self.was_slow = False
        self.killed_for = ""
        self.starts += 1
        self.page.set_pid(pid)

    def became_ready(self, now_s: float) -> None:
        """The process can claim; the name is now its own."""
        self.phase = Phase.READY
        self.ready_s = now_s
        self.replaces = None

    def ended(self, now_s: float) -> Life:
        """The process is gone; the slot is empty now."""
        life = Life(
            was_ready=self.phase is Phase.READY,
            lived_s=now_s - self.started_s,
            processed=self.page.processed,
        )
        self.report = None
        self.page.set_pid(0)
        self.pid = 0
        self.phase = Phase.EMPTY
        self.kill_s = None
        return life
