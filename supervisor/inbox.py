"""What wakes the arbiter: signals, and what its children write to their pipes."""

from __future__ import annotations

import contextlib
import selectors
import signal

from shoal.supervisor.signals import SignalPipe
from shoal.supervisor.slot import Report

__all__ = ["Inbox"]


class Inbox:
    """A selector over the signal pipe and the reports of living children."""

    def __init__(self) -> None:
        """Begin to record signals; main thread only."""
        self._signals = SignalPipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._signals, selectors.EVENT_READ)
        #: Its descriptors, which children must close; the reports' not among them.
        self.fds: set[int] = set(self._signals.fds)
        # epoll and kqueue have a descriptor of their own, select has none.
        with contextlib.suppress(AttributeError):
            self.fds.add(self._selector.fileno())  # type: ignore[attr-defined,unused-ignore]

    def watch(self, report: Report) -> None:
        """Wake up when this child writes."""
        self._selector.register(report.fd, selectors.EVENT_READ, report)

    def forget(self, report: Report) -> None:
        """Take what is left in the pipe, and close it; may be called again."""
        if report.is_open:
            report.read()
            self._selector.unregister(report.fd)
            report.close()

    def wait(self, timeout_s: float) -> list[signal.Signals]:
        """Sleep until something comes, at most ``timeout_s``; returns the signals that came."""
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, Report) and not key.data.read():
                self.forget(key.data)
        return self._signals.read()

    def close(self) -> None:
        """Put the previous signal handlers back."""
        self._selector.close()
        self._signals.close()
