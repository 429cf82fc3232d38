"""The arbiter: one synchronous loop that starts, watches, replaces and ends the shards of a host.

It has no event loop, no thread, no connection to Redis and no user code; that is what makes its
forks safe. Signals and pipes wake it, everything else is arithmetic on times.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from shoal.broker.results import Blame
from shoal.config import Settings
from shoal.errors import ExitStatus
from shoal.lifecycle import EXIT_RECYCLED, RELEASE_RESERVE_S
from shoal.page import PageState
from shoal.supervisor.blame import blame_for
from shoal.supervisor.board import Board
from shoal.supervisor.exporter_keeper import ExporterKeeper
from shoal.supervisor.fleet import Fleet
from shoal.supervisor.hand_back import HandBack, Job
from shoal.supervisor.inbox import Inbox
from shoal.supervisor.isolation import Isolation
from shoal.supervisor.launcher import Helper, Launcher
from shoal.supervisor.notify import Notifier
from shoal.supervisor.processes import children_of, ending_of, send
from shoal.supervisor.restart import Life, RestartBudget, RestartPolicy
from shoal.supervisor.rolling import Rolling
from shoal.supervisor.slot import Ending, Phase, Slot
from shoal.supervisor.verdict import End, Verdict, judge
from shoal.supervisor.watch import DUMP_S, Watch
from shoal.telemetry.logs import logger

__all__ = ["Arbiter"]

#: The longest the loop sleeps, in seconds: how often silent shards are looked for.
_TURN_S = 1.0
#: What is left of the shutdown timeout for handing back the tasks of a shard that must be killed.
_KILL_RESERVE_S = 1.0
#: How long the shards may take to end when the host could not start, in seconds.
_ABANDON_S = 2.0
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
        policy: RestartPolicy | None = None,
    ) -> None:
        self._settings = settings
        self._inbox = Inbox()
        self._launcher = launcher
        self._notifier = notifier
        self._fleet = Fleet(shards, board)
        self._budget = RestartBudget(policy)
        self._watch = Watch(settings)
        self._isolation = Isolation(
            self._fleet.isolation, lambda: (slot.page for slot in self._fleet.ordinary())
        )
        self._hand_back = HandBack(self._fork_releaser, self._isolation.call)
        self._exporter = ExporterKeeper(self._fork_exporter if with_exporter else None)
        self._status = ExitStatus.OK
        #: By when all must be gone; None = nobody told us to end.
        self._deadline_s: float | None = None
        self._was_ready = False
        self._rolling = Rolling()
        #: Children that were here before; whoever started them waits for them.
        self._foreign = frozenset(children_of(os.getpid()))
        self._watchdog_s = 0.0

    def run(self) -> int:
        """Work until the end; main thread only.

        Returns:
            The exit status, an :class:`ExitStatus` or what a shard that can't start asked for.
        """
        self._launcher.own_fds |= self._inbox.fds
        try:
            self._exporter.keep(time.monotonic())
            for slot in self._fleet.ordinary():
                self._fork_shard(slot)
            while not self._is_over():
                for number in self._inbox.wait(self._pause_s()):
                    self._react(number)
                self._turn()
            return int(self._status)
        finally:
            self._kill_rest()
            self._inbox.close()

    # -- the loop --

    def _turn(self) -> None:
        now_s = time.monotonic()
        self._note_ready(now_s)
        self._reap()
        self._hand_back.fork_due(now_s)
        self._roll()
        self._watch.look(now_s)
        for slot in self._fleet:
            if slot.phase is Phase.WAITING and slot.due_s <= now_s:
                self._fork_shard(slot)
            elif slot.is_alive:
                self._look_after(slot, now_s)
        if self._deadline_s is None:
            self._exporter.keep(now_s)
            if self._isolation.is_due():
                self._isolation.forked()
                self._fork_shard(self._isolation.slot)
        self._feed_watchdog(now_s)

    def _pause_s(self) -> float:
        now_s = time.monotonic()
        due = [now_s + _TURN_S]
        due += [slot.due_s for slot in self._fleet.waiting()]
        due += [slot.kill_s for slot in self._fleet if slot.kill_s is not None]
        due += [slot.dumped_s + DUMP_S for slot in self._fleet if slot.dumped_s is not None]
        releaser_s = self._hand_back.next_due_s()
        if releaser_s is not None:
            due.append(releaser_s)
        if self._deadline_s is not None:
            due.append(self._deadline_s)
        # A time that has passed and was not acted upon must not make the loop spin.
        return max(min(due) - now_s, 0.005)

    def _is_over(self) -> bool:
        if self._fleet.alive() or self._fleet.waiting():
            return False
        is_late = self._deadline_s is not None and time.monotonic() >= self._deadline_s
        return not self._hand_back.jobs or is_late

    def _react(self, number: signal.Signals) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                if self._deadline_s is None:
                    self._stop(f"{number.name}: draining")
                else:
                    self._hurry(number)
            case signal.SIGHUP:
                self._start_rolling()
            case signal.SIGTTIN:
                self._grow()
            case signal.SIGTTOU:
                self._shrink()

    # -- starting --

    def _fork_shard(self, slot: Slot) -> None:
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

    def _fork_releaser(self, incarnation: str, reason: str, blame: Blame | None) -> Helper:
        helper = self._launcher.fork_releaser(incarnation, reason, blame)
        self._inbox.watch(helper.report)
        return helper

    def _fork_exporter(self) -> Helper:
        helper = self._launcher.fork_exporter()
        self._inbox.watch(helper.report)
        return helper

    def _note_ready(self, now_s: float) -> None:
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
                self._tell_systemd()

    def _tell_systemd(self) -> None:
        ready = len(self._fleet.ready())
        status = f"{ready} of {self._fleet.target} shards ready"
        if self._was_ready:
            self._notifier.status(status)
        elif ready:
            self._was_ready = True
            self._notifier.ready(status)

    # -- children that ended --

    def _reap(self) -> None:
        for slot in self._fleet.alive():
            if ending := ending_of(slot.pid):
                self._shard_ended(slot, ending)
        for job in self._hand_back.jobs:
            if job.helper is not None and (ending := ending_of(job.helper.pid)):
                self._releaser_ended(job, ending)
        exporter = self._exporter.helper
        if exporter is not None and (ending := ending_of(exporter.pid)):
            self._exporter_ended(exporter, ending)
        if os.getpid() == 1:
            self._reap_orphans()

    def _shard_ended(self, slot: Slot, ending: Ending) -> None:
        now_s = time.monotonic()
        failure = None
        if slot.report is not None:
            self._inbox.forget(slot.report)
            self._note_ready(now_s)
            failure = slot.report.failure
        was_told, is_rolling = slot.is_stopping, slot.is_rolling
        page = slot.page.snapshot()
        has_ended = page.state is PageState.ENDED
        killed_for = slot.killed_for
        end = End(ending, slot.ended(now_s), failure, was_told, is_rolling, has_ended)
        blame = None
        if end.is_lost:
            blame = blame_for(ending, page, killed_for=killed_for)
            self._hand_back.add(slot.incarnation, now_s, blame)
            slot.replaces = slot.incarnation
            tasks = ", ".join(task.task_id.decode("ascii", "replace") for task in page.executing)
            logger.warning(
                "shard {} died: {}, {}; it was executing {}",
                slot.label,
                slot.incarnation,
                ending,
                tasks or "no task's code",
            )
        elif failure is None:
            if ending.exit_status == EXIT_RECYCLED:
                # It may have ended without its event loop, and then its name is still in the registry.
                slot.replaces = slot.incarnation
            level = "INFO" if end.life.was_ready else "DEBUG"
            logger.log(level, "shard {} ended: {}, {}", slot.label, slot.incarnation, ending)
        if slot.is_isolation:
            self._isolation_ended(slot, end, now_s)
            return
        verdict = judge(
            end,
            is_draining=self._deadline_s is not None,
            is_burst=self._settings.worker.burst,
            any_was_ready=self._was_ready,
        )
        if blame is not None and verdict is Verdict.REPLACE:
            # The poison is set apart: that working shards met it is no reason to give up the host.
            verdict = Verdict.SUCCEED
        self._follow(slot, end, verdict)
        self._tell_systemd()

    def _isolation_ended(self, slot: Slot, end: End, now_s: float) -> None:
        pause_s = self._isolation.ended(
            now_s,
            is_clean=end.is_clean,
            lived_s=end.life.lived_s,
            could_start=end.failure is None,
        )
        if end.failure is not None:
            logger.error("the isolation shard can't start: {}", end.failure[1])
        if pause_s and self._deadline_s is None:
            slot.phase, slot.due_s = Phase.WAITING, now_s + pause_s

    def _follow(self, slot: Slot, end: End, verdict: Verdict) -> None:
        if end.failure is not None and verdict in {Verdict.REPLACE, Verdict.POSTPONE}:
            logger.error("shard {} can't start: {}", slot.label, end.failure[1])
        if not end.life.was_ready and self._rolling.cancel():
            logger.error("the rolling restart ends here: the new shard can't start")
        match verdict:
            case Verdict.NOTHING:
                self._budget.settled(slot.index)
            case Verdict.SPOILED:
                if self._status is ExitStatus.OK:
                    self._status = ExitStatus.SYSTEM
            case Verdict.SUCCEED:
                self._budget.settled(slot.index)
                self._fork_shard(slot)
            case Verdict.POSTPONE:
                self._wait(slot, self._budget.postponed(slot.index))
            case Verdict.REPLACE:
                self._replace(slot, end.life)
            case Verdict.ABANDON:
                ended = f"a shard ended before it could claim: {end.ending}"
                self._abandon(*(end.failure or (ExitStatus.SYSTEM, ended)))

    def _replace(self, slot: Slot, life: Life) -> None:
        pause_s = self._budget.died(
            slot.index, life, shards=self._fleet.target, now_s=time.monotonic()
        )
        if pause_s is None:
            self._status = ExitStatus.RESTART_LIMIT
            logger.critical("shards die too often: giving up (exit status {})", int(self._status))
            self._stop("restart limit: draining")
        elif pause_s == 0:
            self._fork_shard(slot)
        else:
            self._wait(slot, pause_s)

    def _wait(self, slot: Slot, pause_s: float) -> None:
        slot.phase, slot.due_s = Phase.WAITING, time.monotonic() + pause_s
        logger.warning("shard {} starts again in {:.2f} s", slot.label, pause_s)

    def _releaser_ended(self, job: Job, ending: Ending) -> None:
        if job.helper is not None:
            self._inbox.forget(job.helper.report)
        self._hand_back.ended(job, ending, time.monotonic())

    def _exporter_ended(self, helper: Helper, ending: Ending) -> None:
        self._inbox.forget(helper.report)
        failure = self._exporter.ended(ending)
        if failure is not None and not self._was_ready:
            self._abandon(*failure)
        elif self._deadline_s is None:
            reason = failure[1] if failure else str(ending)
            logger.error("the exporter ended, another follows in a moment: {}", reason)

    def _reap_orphans(self) -> None:
        """As the first process of a container: bury what others left behind."""
        mine = {slot.pid for slot in self._fleet.alive()}
        mine |= {helper.pid for helper in self._helpers()}
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in mine | self._foreign:
                    return  # it ended just now; the next turn, or its own parent's code, takes it
                os.waitpid(found.si_pid, os.WNOHANG)

    def _helpers(self) -> list[Helper]:
        helpers = [job.helper for job in self._hand_back.jobs if job.helper]
        return [*helpers, self._exporter.helper] if self._exporter.helper else helpers

    # -- ending --

    def _stop(self, why: str) -> None:
        logger.info("{} ({:g} s at most)", why, self._settings.worker.shutdown_timeout_s)
        self._end_all(self._settings.worker.shutdown_timeout_s, _KILL_RESERVE_S)

    def _abandon(self, status: int, message: str) -> None:
        """The host can't start: say why, once, and end."""
        if self._deadline_s is not None:
            return
        self._status = ExitStatus(status) if status in list(ExitStatus) else ExitStatus.SYSTEM
        sys.stderr.write(f"shoal: {message}\n")
        sys.stderr.flush()
        self._end_all(_ABANDON_S, 0.0)

    def _end_all(self, timeout_s: float, reserve_s: float) -> None:
        self._deadline_s = time.monotonic() + timeout_s
        self._rolling.cancel()
        self._notifier.stopping()
        for slot in self._fleet:
            if slot.phase is Phase.WAITING:
                slot.phase = Phase.EMPTY
            # One that was told before must not take this for the second time: release now.
            elif slot.is_alive and not slot.is_stopping:
                self._tell_to_go(slot, timeout_s - reserve_s)
            slot.is_rolling = False

    def _tell_to_go(self, slot: Slot, timeout_s: float) -> None:
        slot.kill_s = time.monotonic() + timeout_s
        slot.is_rolling = False
        send(slot.pid, signal.SIGTERM)

    def _hurry(self, number: signal.Signals) -> None:
        """Told again: the shards release now; those that can't, for their loop is blocked, go."""
        logger.warning("{} again: the shards release what they run now", number.name)
        now_s = time.monotonic()
        kill_s = now_s + RELEASE_RESERVE_S + _KILL_RESERVE_S
        if self._deadline_s is not None:
            self._deadline_s = min(self._deadline_s, kill_s + _KILL_RESERVE_S)
        for slot in self._fleet.alive():
            slot.kill_s = min(slot.kill_s or kill_s, kill_s)
            send(slot.pid, signal.SIGTERM)

    def _kill_rest(self) -> None:
        """Leave no child behind, whatever ended the loop."""
        for job in self._hand_back.jobs:
            logger.error("the tasks of {} come back when their lease has passed", job.incarnation)
        pids = [slot.pid for slot in self._fleet.alive()]
        pids += [helper.pid for helper in self._helpers()]
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
        if self._deadline_s is not None:
            return
        slot = self._fleet.grow()
        if slot is None:
            logger.error("SIGTTIN: there are as many shards as there may be")
            return
        logger.info("SIGTTIN: {} shards from now on", self._fleet.target)
        self._fork_shard(slot)

    def _shrink(self) -> None:
        if self._deadline_s is not None:
            return
        slot = self._fleet.shrink()
        if slot is None:
            logger.info("SIGTTOU: one shard stays, as the fewest there may be")
            return
        logger.info("SIGTTOU: {} shards from now on", self._fleet.target)
        if slot.is_alive:
            self._tell_to_go(slot, self._settings.worker.shutdown_timeout_s)
        else:
            slot.phase = Phase.EMPTY

    def _start_rolling(self) -> None:
        if self._deadline_s is None:
            slots = self._fleet.alive()
            logger.info("SIGHUP: replacing {} shards, one by one", len(slots))
            self._rolling.begin(slots)

    def _roll(self) -> None:
        slot = self._rolling.next()
        if slot is not None:
            self._tell_to_go(slot, self._settings.worker.shutdown_timeout_s)
            slot.is_rolling = True
