"""Forks children into their places, and notes when they are ready."""

from __future__ import annotations

import time

from shoal.broker.results import Blame
from shoal.config import Settings
from shoal.supervisor.fleet import Fleet
from shoal.supervisor.inbox import Inbox
from shoal.supervisor.launcher import Helper, Launcher
from shoal.supervisor.notify import Notifier
from shoal.supervisor.restart import RestartBudget
from shoal.supervisor.slot import Phase, Slot
from shoal.telemetry.logs import logger

__all__ = ["Starter"]


class Starter:
    """Starts the shards and helpers of one supervisor; the inbox hears of what they report."""

    def __init__(
        self,
        fleet: Fleet,
        launcher: Launcher,
        inbox: Inbox,
        budget: RestartBudget,
        notifier: Notifier,
    ) -> None:
        self._fleet = fleet
        self._launcher = launcher
        self._inbox = inbox
        self._budget = budget
        self._notifier = notifier
        #: Whether any shard has been ready since the supervisor started.
        self.was_ready = False

    def shard(self, slot: Slot) -> None:
        """Fork a shard; when the system has nothing to give, it is tried again later."""
        now_s = time.monotonic()
        try:
            self._launcher.fork_shard(slot, now_s)
        except OSError as error:
            pause_s = self._budget.postponed(slot.index)
            logger.error("no shard can be forked: {}; again in {:.1f} s", error.strerror, pause_s)
            slot.phase, slot.due_s = Phase.WAITING, now_s + pause_s
            return
        if slot.report is not None:
            self._inbox.watch(slot.report)
        logger.debug("shard {} forked: {}, pid {}", slot.label, slot.incarnation, slot.pid)

    def bury(self, slot: Slot, how: str) -> None:
        """A shard ended there: count it, and let its gauges go.

        Args:
            slot: Its place.
            how: One of ``shoal.supervisor.board.EXITS``.
        """
        self._fleet.board.exited(how)
        self._launcher.forget_gauges(slot)

    def later(self, slot: Slot, pause_s: float) -> None:
        """Fork a shard there after a pause."""
        slot.phase, slot.due_s = Phase.WAITING, time.monotonic() + pause_s
        logger.warning("shard {} starts again in {:.2f} s", slot.label, pause_s)

    def releaser(self, incarnation: str, reason: str, blame: Blame | None) -> Helper:
        """Fork a releaser; raises OSError."""
        return self._watched(self._launcher.fork_releaser(incarnation, reason, blame))

    def exporter(self) -> Helper:
        """Fork the exporter; raises OSError."""
        return self._watched(self._launcher.fork_exporter())

    def trial(self, settings: Settings) -> Helper:
        """Fork a trial of the application; raises OSError."""
        return self._watched(self._launcher.fork_trial(settings))

    def watcher(self) -> Helper:
        """Fork the watcher of the application's files; raises OSError."""
        return self._watched(self._launcher.fork_watcher())

    def note_ready(self, now_s: float) -> None:
        """Notice which shards have become ready."""
        for slot in self._fleet:
            report = slot.report
            if slot.phase is Phase.STARTING and report is not None and report.is_ready:
                slot.became_ready(now_s)
                took_ms = (now_s - slot.started_s) * 1000
                logger.info(
                    "shard {} is ready: {}, pid {}, {:.0f} ms after its start",
                    slot.label,
                    slot.incarnation,
                    slot.pid,
                    took_ms,
                )
                self.tell_systemd()

    def tell_systemd(self) -> None:
        """Say how many shards are ready; the first time that the service is."""
        ready = len(self._fleet.ready())
        status = f"{ready} of {self._fleet.target} shards ready"
        if self.was_ready:
            self._notifier.status(status)
        elif ready:
            self.was_ready = True
            self._notifier.ready(status)

    def _watched(self, helper: Helper) -> Helper:
        self._inbox.watch(helper.report)
        return helper
