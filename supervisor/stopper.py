"""Tells shards to go: one of them, or all, within the time that an end may take."""

from __future__ import annotations

import signal
import sys
import time

from shoal.config import Settings
from shoal.errors import ExitStatus
from shoal.lifecycle import RELEASE_RESERVE_S
from shoal.supervisor.fleet import Fleet
from shoal.supervisor.notify import Notifier
from shoal.supervisor.processes import send
from shoal.supervisor.rolling import Rolling
from shoal.supervisor.slot import Phase, Slot
from shoal.telemetry.logs import logger

__all__ = ["Stopper"]

#: What is left of the shutdown timeout for handing back the tasks of a shard that must be killed.
_KILL_RESERVE_S = 1.0
#: How long the shards may take to end when the host could not start, in seconds.
_ABANDON_S = 2.0


class Stopper:
    """Ends the shards of one supervisor, and knows with which status it will exit itself."""

    def __init__(
        self, settings: Settings, fleet: Fleet, rolling: Rolling, notifier: Notifier
    ) -> None:
        self._timeout_s = settings.worker.shutdown_timeout_s
        self._fleet = fleet
        self._rolling = rolling
        self._notifier = notifier
        self.status = ExitStatus.OK
        #: By when all must be gone; None = nobody told us to end.
        self.deadline_s: float | None = None

    @property
    def is_ending(self) -> bool:
        """Whether the whole supervisor ends."""
        return self.deadline_s is not None

    def obey(self, number: signal.Signals) -> None:
        """SIGTERM or SIGINT: drain; the second time release now."""
        if self.deadline_s is None:
            self.stop(f"{number.name}: draining")
        else:
            self._hurry(number, self.deadline_s)

    def stop(self, why: str) -> None:
        """Drain all shards and end."""
        logger.info("{} ({:g} s at most)", why, self._timeout_s)
        self._end_all(self._timeout_s, _KILL_RESERVE_S)

    def abandon(self, status: int, message: str) -> None:
        """The host can't start: say why, once, and end."""
        if self.is_ending:
            return
        self.status = ExitStatus(status) if status in list(ExitStatus) else ExitStatus.SYSTEM
        sys.stderr.write(f"shoal: {message}\n")
        sys.stderr.flush()
        self._end_all(_ABANDON_S, 0.0)

    def spoiled(self) -> None:
        """A shard did not end as it should: the exit status must tell."""
        if self.status is ExitStatus.OK:
            self.status = ExitStatus.SYSTEM

    def tell(self, slot: Slot, timeout_s: float | None = None) -> None:
        """Tell one shard to go, within ``timeout_s`` (None = WORKER_SHUTDOWN_TIMEOUT) or be killed."""
        slot.kill_s = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        slot.is_rolling = False
        send(slot.pid, signal.SIGTERM)

    def _end_all(self, timeout_s: float, reserve_s: float) -> None:
        self.deadline_s = time.monotonic() + timeout_s
        self._rolling.cancel()
        self._notifier.stopping()
        for slot in self._fleet:
            if slot.phase is Phase.WAITING:
                slot.phase = Phase.EMPTY
            # One that was told before must not take this for the second time: release now.
            elif slot.is_alive and not slot.is_stopping:
                self.tell(slot, timeout_s - reserve_s)
            slot.is_rolling = False

    def _hurry(self, number: signal.Signals, deadline_s: float) -> None:
        """Told again: the shards release now; those that can't, for their loop is blocked, go."""
        logger.warning("{} again: the shards release what they run now", number.name)
        kill_s = time.monotonic() + RELEASE_RESERVE_S + _KILL_RESERVE_S
        self.deadline_s = min(deadline_s, kill_s + _KILL_RESERVE_S)
        for slot in self._fleet.alive():
            slot.kill_s = min(slot.kill_s or kill_s, kill_s)
            send(slot.pid, signal.SIGTERM)
