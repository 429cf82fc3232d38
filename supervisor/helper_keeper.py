"""Keeps a helper of the host running: its exporter, or the watcher of its application's files."""

from __future__ import annotations

from collections.abc import Callable

from shoal.supervisor.launcher import Helper
from shoal.supervisor.slot import Ending
from shoal.telemetry.logs import logger

__all__ = ["HelperKeeper"]

#: The pause before a helper that ended is forked again, in seconds.
_PAUSE_S = 5.0


class HelperKeeper:
    """At most one helper of a kind."""

    def __init__(self, name: str, fork: Callable[[], Helper] | None) -> None:
        """Fork it with ``fork``, which may raise OSError; None = there is none to keep."""
        self.name = name
        self._fork = fork
        self._due_s = 0.0
        self.helper: Helper | None = None

    def keep(self, now_s: float) -> None:
        """Fork it if it does not run and its pause is over."""
        if self._fork is None or self.helper is not None or now_s < self._due_s:
            return
        self._due_s = now_s + _PAUSE_S
        try:
            self.helper = self._fork()
        except OSError as error:
            logger.error("no {} can be forked: {}", self.name, error.strerror)

    def ended(self, ending: Ending) -> tuple[int, str] | None:
        """It ended; returns exit status and message if it said that it can't start."""
        failure = self.helper.report.failure if self.helper else None
        self.helper = None
        logger.debug("the {} ended: {}", self.name, ending)
        return failure
