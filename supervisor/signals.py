"""Signals that only record: the arbiter's loop reads them from a pipe and acts on them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["HANDLED", "SignalPipe", "blocked_signals", "reset_in_child"]

#: What the supervisor reacts to.
HANDLED = (
    signal.SIGTERM,  # drain and end; the second time: release now
    signal.SIGINT,  # the same
    signal.SIGHUP,  # replace the shards one by one
    signal.SIGTTIN,  # one shard more
    signal.SIGTTOU,  # one shard fewer
    signal.SIGCHLD,  # a child ended
)

_ALL = signal.valid_signals()


def _record(_number: int, _frame: FrameType | None) -> None:
    """Nothing: the number is in the pipe already, written by the interpreter in C."""


class SignalPipe:
    """The signals that arrived, in order, behind a file descriptor that a selector can watch."""

    def __init__(self) -> None:
        """Begin to record; main thread only."""
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        self._previous_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _record) for number in HANDLED}

    @property
    def fds(self) -> tuple[int, int]:
        """Both ends, which a child must close."""
        return self._read_fd, self._write_fd

    def fileno(self) -> int:
        """The end to watch."""
        return self._read_fd

    def read(self) -> list[signal.Signals]:
        """What arrived since the last time.

        The pipe holds 64 KiB, one byte a signal; what does not fit is dropped. A dropped SIGCHLD
        is made up for by looking at all children each time.
        """
        try:
            # More than that stays in the pipe, and the selector says so again.
            numbers = os.read(self._read_fd, 65536)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in numbers if number in HANDLED]

    def close(self) -> None:
        """Put back what was before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._read_fd)
        os.close(self._write_fd)


@contextmanager
def blocked_signals() -> Iterator[None]:
    """No signal is delivered inside; around ``fork``, so that none is lost between two handlers."""
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def reset_in_child() -> None:
    """In a child: forget the supervisor's handlers and let signals in again.

    SIGINT is ignored: Ctrl-C reaches every process of the terminal, and it is the supervisor that
    tells its children what to do. SIGHUP likewise, when the terminal goes away.
    """
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
