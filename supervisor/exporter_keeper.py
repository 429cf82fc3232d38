"""Keeps the host's exporter running."""

from __future__ import annotations

from collections.abc import Callable

from shoal.supervisor.launcher import Helper
from shoal.supervisor.slot import Ending
from shoal.telemetry.logs import logger

__all__ = ["ExporterKeeper"]

#: The pause before an exporter that ended is forked again, in seconds.
_PAUSE_S = 5.0


class ExporterKeeper:
    """At most one exporter; none without a port for it."""

    def __init__(self, fork: Callable[[], Helper] | None) -> None:
        """Fork it with ``fork``, which may raise OSError; None = there is none to keep."""
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
            logger.error("no exporter can be forked: {}", error.strerror)

    def ended(self, ending: Ending) -> tuple[int, str] | None:
        """It ended; returns exit status and message if it said that it can't start."""
        failure = self.helper.report.failure if self.helper else None
        self.helper = None
        logger.debug("the exporter ended: {}", ending)
        return failure
