"""Takes the children that ended, and does with their places what follows from how they ended."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence

from shoal.errors import ExitStatus
from shoal.lifecycle import EXIT_RECYCLED
from shoal.page import PageState
from shoal.supervisor.blame import blame_for
from shoal.supervisor.fleet import Fleet
from shoal.supervisor.hand_back import HandBack, Job
from shoal.supervisor.helper_keeper import HelperKeeper
from shoal.supervisor.inbox import Inbox
from shoal.supervisor.isolation import Isolation
from shoal.supervisor.launcher import Helper
from shoal.supervisor.processes import children_of, ending_of
from shoal.supervisor.restart import Life, RestartBudget
from shoal.supervisor.rolling import Rolling
from shoal.supervisor.slot import Ending, Phase, Slot
from shoal.supervisor.starter import Starter
from shoal.supervisor.stopper import Stopper
from shoal.supervisor.verdict import End, Verdict, judge
from shoal.telemetry.logs import logger

__all__ = ["Reaper"]


class Reaper:
    """The ends of one supervisor's children."""

    def __init__(
        self,
        fleet: Fleet,
        inbox: Inbox,
        starter: Starter,
        stopper: Stopper,
        *,
        budget: RestartBudget,
        hand_back: HandBack,
        isolation: Isolation,
        keepers: Sequence[HelperKeeper],
        trial: Callable[[], Helper | None],
        rolling: Rolling,
        is_burst: bool,
    ) -> None:
        self._fleet = fleet
        self._inbox = inbox
        self._starter = starter
        self._stopper = stopper
        self._budget = budget
        self._hand_back = hand_back
        self._isolation = isolation
        self._keepers = keepers
        self._trial = trial
        self._rolling = rolling
        self._is_burst = is_burst
        #: Children that were here before; whoever started them waits for them.
        self._foreign = frozenset(children_of(os.getpid()))

    def reap(self) -> None:
        """Look at all children; those that ended are followed up."""
        for slot in self._fleet.alive():
            if ending := ending_of(slot.pid):
                self._shard_ended(slot, ending)
        for job in self._hand_back.jobs:
            if job.helper is not None and (ending := ending_of(job.helper.pid)):
                self._releaser_ended(job, ending)
        for keeper in self._keepers:
            helper = keeper.helper
            if helper is not None and (ending := ending_of(helper.pid)):
                self._kept_ended(keeper, helper, ending)
        if os.getpid() == 1:
            self._reap_orphans()

    def helpers(self) -> list[Helper]:
        """The children that are no shards."""
        helpers = [job.helper for job in self._hand_back.jobs]
        helpers += [keeper.helper for keeper in self._keepers]
        return [helper for helper in [*helpers, self._trial()] if helper is not None]

    # -- shards --

    def _shard_ended(self, slot: Slot, ending: Ending) -> None:
        now_s = time.monotonic()
        failure = None
        if slot.report is not None:
            self._inbox.forget(slot.report)
            self._starter.note_ready(now_s)
            failure = slot.report.failure
        was_told, is_rolling = slot.is_stopping, slot.is_rolling
        page = slot.page.snapshot()
        has_ended = page.state is PageState.ENDED
        killed_for = slot.killed_for
        end = End(
            ending,
            slot.ended(now_s),
            failure,
            was_told,
            is_rolling,
            has_ended,
            is_guilty=bool(killed_for),
        )
        self._starter.bury(slot, end.how)
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
            is_draining=self._stopper.is_ending,
            is_burst=self._is_burst,
            any_was_ready=self._starter.was_ready,
        )
        if blame is not None and verdict is Verdict.REPLACE:
            # The poison is set apart: that working shards met it is no reason to give up the host.
            verdict = Verdict.SUCCEED
        self._follow(slot, end, verdict)
        self._starter.tell_systemd()

    def _isolation_ended(self, slot: Slot, end: End, now_s: float) -> None:
        pause_s = self._isolation.ended(
            now_s,
            is_clean=end.is_clean,
            lived_s=end.life.lived_s,
            could_start=end.failure is None,
        )
        if end.failure is not None:
            logger.error("the isolation shard can't start: {}", end.failure[1])
        if pause_s and not self._stopper.is_ending:
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
                self._stopper.spoiled()
            case Verdict.SUCCEED:
                self._budget.settled(slot.index)
                self._starter.shard(slot)
            case Verdict.POSTPONE:
                self._starter.later(slot, self._budget.postponed(slot.index))
            case Verdict.REPLACE:
                self._replace(slot, end.life)
            case Verdict.ABANDON:
                ended = f"a shard ended before it could claim: {end.ending}"
                self._stopper.abandon(*(end.failure or (ExitStatus.SYSTEM, ended)))

    def _replace(self, slot: Slot, life: Life) -> None:
        pause_s = self._budget.died(
            slot.index, life, shards=self._fleet.target, now_s=time.monotonic()
        )
        if pause_s is None:
            self._stopper.status = ExitStatus.RESTART_LIMIT
            logger.critical(
                "shards die too often: giving up (exit status {})", int(self._stopper.status)
            )
            self._stopper.stop("restart limit: draining")
        elif pause_s == 0:
            self._starter.shard(slot)
        else:
            self._starter.later(slot, pause_s)

    # -- helpers --

    def _releaser_ended(self, job: Job, ending: Ending) -> None:
        if job.helper is not None:
            self._inbox.forget(job.helper.report)
        tasks = self._hand_back.ended(job, ending, time.monotonic())
        self._fleet.board.released(tasks)

    def _kept_ended(self, keeper: HelperKeeper, helper: Helper, ending: Ending) -> None:
        self._inbox.forget(helper.report)
        failure = keeper.ended(ending)
        if failure is not None and not self._starter.was_ready:
            self._stopper.abandon(*failure)
        elif not self._stopper.is_ending:
            reason = failure[1] if failure else str(ending)
            logger.error("the {} ended, another follows in a moment: {}", keeper.name, reason)

    def _reap_orphans(self) -> None:
        """As the first process of a container: bury what others left behind."""
        mine = {slot.pid for slot in self._fleet.alive()}
        mine |= {helper.pid for helper in self.helpers()}
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in mine | self._foreign:
                    return  # it ended just now; the next turn, or its own parent's code, takes it
                os.waitpid(found.si_pid, os.WNOHANG)
