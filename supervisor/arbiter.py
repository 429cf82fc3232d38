"""The arbiter: one synchronous loop that starts, watches, replaces and ends the shards of a host.

It has no event loop, no thread, no connection to Redis and no user code; that is what makes its
forks safe. Signals and pipes wake it, everything else is arithmetic on times.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from shoal.config import Settings
from shoal.supervisor.board import Board
from shoal.supervisor.fleet import Fleet
from shoal.supervisor.hand_back import HandBack
from shoal.supervisor.helper_keeper import HelperKeeper
from shoal.supervisor.inbox import Inbox
from shoal.supervisor.isolation import Isolation
from shoal.supervisor.launcher import Launcher
from shoal.supervisor.notify import Notifier
from shoal.supervisor.processes import send
from shoal.supervisor.reaper import Reaper
from shoal.supervisor.reload import Reload
from shoal.supervisor.restart import RestartBudget, RestartPolicy
from shoal.supervisor.rolling import Rolling
from shoal.supervisor.run_file import RunFile
from shoal.supervisor.slot import Phase, Slot
from shoal.supervisor.starter import Starter
from shoal.supervisor.stopper import Stopper
from shoal.supervisor.watch import DUMP_S, Watch
from shoal.telemetry import logs
from shoal.telemetry.logs import logger

__all__ = ["Arbiter"]

#: The longest the loop sleeps, in seconds: how often silent shards are looked for.
_TURN_S = 1.0
#: After this long a shard that is not ready yet is spoken of, in seconds.
_SLOW_START_S = 30.0


class Arbiter:
    """Runs ``shards`` shards until it is told to end, or can't."""

    def __init__(
        self,
        settings: Settings,
        shards: int,
        board: Board,
        launcher: Launcher,
        notifier: Notifier,
        *,
        with_exporter: bool,
        with_watcher: bool = False,
        policy: RestartPolicy | None = None,
        reread: Callable[[], Settings] | None = None,
        run_file: RunFile | None = None,
    ) -> None:
        self._inbox = Inbox()
        self._launcher = launcher
        self._notifier = notifier
        self._fleet = Fleet(shards, board)
        self._watch = Watch(settings)
        self._rolling = Rolling()
        budget = RestartBudget(policy)
        self._stopper = Stopper(settings, self._fleet, self._rolling, notifier)
        self._starter = Starter(self._fleet, launcher, self._inbox, budget, notifier)
        self._isolation = Isolation(
            self._fleet.isolation, lambda: (slot.page for slot in self._fleet.ordinary())
        )
        self._hand_back = HandBack(self._starter.releaser, self._isolation.call)
        self._exporter = HelperKeeper("exporter", self._starter.exporter if with_exporter else None)
        self._watcher = HelperKeeper("watcher", self._starter.watcher if with_watcher else None)
        self._reload = Reload(
            settings,
            reread,
            try_code=self._starter.trial,
            forget=lambda helper: self._inbox.forget(helper.report),
            adopt=self._adopt,
            replaced=self._watch.adopt,
            fleet=self._fleet,
            rolling=self._rolling,
            board=board,
            run_file=run_file,
            pid=os.getpid(),
        )
        self._reaper = Reaper(
            self._fleet,
            self._inbox,
            self._starter,
            self._stopper,
            budget=budget,
            hand_back=self._hand_back,
            isolation=self._isolation,
            keepers=(self._exporter, self._watcher),
            trial=lambda: self._reload.trial,
            rolling=self._rolling,
            is_burst=settings.worker.burst,
        )
        self._watchdog_s = 0.0

    def run(self) -> int:
        """Work until the end; main thread only.

        Returns:
            The exit status, an :class:`ExitStatus` or what a shard that can't start asked for.
        """
        self._launcher.own_fds |= self._inbox.fds
        try:
            self._keep_helpers(time.monotonic())
            for slot in self._fleet.ordinary():
                self._starter.shard(slot)
            while not self._is_over():
                for number in self._inbox.wait(self._pause_s()):
                    self._react(number)
                self._turn()
            return int(self._stopper.status)
        finally:
            self._kill_rest()
            self._inbox.close()

    # -- the loop --

    def _turn(self) -> None:
        now_s = time.monotonic()
        self._starter.note_ready(now_s)
        self._reaper.reap()
        self._hand_back.fork_due(now_s)
        self._roll()
        self._reload.keep(now_s)
        self._watch.look(now_s)
        for slot in self._fleet:
            if slot.phase is Phase.WAITING and slot.due_s <= now_s:
                self._starter.shard(slot)
            elif slot.is_alive:
                self._look_after(slot, now_s)
        if not self._stopper.is_ending:
            self._keep_helpers(now_s)
            if self._isolation.is_due():
                self._isolation.forked()
                self._starter.shard(self._isolation.slot)
        self._feed_watchdog(now_s)

    def _pause_s(self) -> float:
        now_s = time.monotonic()
        due = [now_s + _TURN_S]
        due += [slot.due_s for slot in self._fleet.waiting()]
        due += [slot.kill_s for slot in self._fleet if slot.kill_s is not None]
        due += [slot.dumped_s + DUMP_S for slot in self._fleet if slot.dumped_s is not None]
        others = (
            self._hand_back.next_due_s(),
            self._reload.next_due_s(),
            self._stopper.deadline_s,
        )
        due += [at_s for at_s in others if at_s is not None]
        # A time that has passed and was not acted upon must not make the loop spin.
        return max(min(due) - now_s, 0.005)

    def _is_over(self) -> bool:
        if self._fleet.alive() or self._fleet.waiting():
            return False
        deadline_s = self._stopper.deadline_s
        is_late = deadline_s is not None and time.monotonic() >= deadline_s
        return not self._hand_back.jobs or is_late

    def _react(self, number: signal.Signals) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            self._stopper.obey(number)
        elif not self._stopper.is_ending:
            match number:
                case signal.SIGHUP:
                    self._reload.ask(time.monotonic())
                case signal.SIGTTIN:
                    self._grow()
                case signal.SIGTTOU:
                    self._shrink()

    def _keep_helpers(self, now_s: float) -> None:
        self._exporter.keep(now_s)
        self._watcher.keep(now_s)

    def _kill_rest(self) -> None:
        """Leave no child behind, whatever ended the loop."""
        for job in self._hand_back.jobs:
            logger.error("the tasks of {} come back when their lease has passed", job.incarnation)
        pids = [slot.pid for slot in self._fleet.alive()]
        pids += [helper.pid for helper in self._reaper.helpers()]
        for pid in pids:
            send(pid, signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    # -- watching --

    def _look_after(self, slot: Slot, now_s: float) -> None:
        if slot.kill_s is not None and slot.kill_s <= now_s:
            logger.error("shard {} did not end in time: killed", slot.label)
            slot.kill_s = now_s + _TURN_S
            send(slot.pid, signal.SIGKILL)
        if slot.phase is Phase.STARTING:
            if now_s - slot.started_s > _SLOW_START_S and not slot.was_slow:
                slot.was_slow = True
                logger.warning("shard {} is not ready after {:g} s", slot.label, _SLOW_START_S)
        else:
            self._watch.enforce(slot, now_s)

    def _feed_watchdog(self, now_s: float) -> None:
        interval_s = self._notifier.watchdog_interval_s
        if interval_s is None or now_s - self._watchdog_s < min(interval_s, _TURN_S):
            return
        ready = self._fleet.ready()
        if not ready or any(self._watch.silent_s(s, now_s) < self._watch.silence_s for s in ready):
            self._watchdog_s = now_s
            self._notifier.watchdog()

    # -- more, fewer, new --

    def _grow(self) -> None:
        slot = self._fleet.grow()
        if slot is None:
            logger.error("SIGTTIN: there are as many shards as there may be")
            return
        logger.info("SIGTTIN: {} shards from now on", self._fleet.target)
        self._starter.shard(slot)

    def _shrink(self) -> None:
        slot = self._fleet.shrink()
        if slot is None:
            logger.info("SIGTTOU: one shard stays, as the fewest there may be")
            return
        logger.info("SIGTTOU: {} shards from now on", self._fleet.target)
        if slot.is_alive:
            self._stopper.tell(slot)
        else:
            slot.phase = Phase.EMPTY

    def _adopt(self, settings: Settings) -> None:
        logs.configure(settings.log_level, worker=settings.worker.id)
        self._launcher.adopt(settings)

    def _roll(self) -> None:
        slot = self._rolling.next()
        if slot is not None:
            self._stopper.tell(slot)
            slot.is_rolling = True
