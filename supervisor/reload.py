"""SIGHUP: the settings are read again, the code is tried, and then the shards are replaced one by one.

What is no good is found before any shard makes room for it: bad settings and code that can't be
imported leave everything as it is, and say so in one line.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

from shoal.config import Settings
from shoal.config_reload import take_over
from shoal.errors import ShoalError
from shoal.supervisor.board import Board
from shoal.supervisor.fleet import Fleet
from shoal.supervisor.launcher import Helper
from shoal.supervisor.processes import ending_of, send
from shoal.supervisor.rolling import Rolling
from shoal.supervisor.run_file import RunFile, RunState
from shoal.supervisor.slot import Ending
from shoal.telemetry.logs import logger

__all__ = ["Reload"]

#: How long the application may take to be imported by the trial, in seconds.
_TRIAL_S = 120.0


class Reload:
    """The reloads of one supervisor; at most one is under way.

    Args:
        settings: What holds at the start.
        reread: Reads all settings anew; ``None`` = they stay as they are.
        try_code: Forks a trial of the application with these settings; may raise OSError.
        forget: Called with a trial's helper when it has ended.
        adopt: Children forked from now on are to have these settings.
        replaced: All shards have these settings now.
        fleet: Whose shards are replaced.
        rolling: Replaces them.
        board: Counts reloads, and has so much room for concurrency.
        run_file: Says what came of it; ``None`` = there is none.
        pid: The supervisor's.
    """

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings] | None,
        *,
        try_code: Callable[[Settings], Helper],
        forget: Callable[[Helper], None],
        adopt: Callable[[Settings], None],
        replaced: Callable[[Settings], None],
        fleet: Fleet,
        rolling: Rolling,
        board: Board,
        run_file: RunFile | None,
        pid: int,
    ) -> None:
        self._settings = settings
        self._reread = reread
        self._try_code = try_code
        self._forget = forget
        self._adopt = adopt
        self._replaced = replaced
        self._fleet = fleet
        self._rolling = rolling
        self._board = board
        self._run_file = run_file
        self._state = RunState(pid)
        #: The trial that runs, if any.
        self.trial: Helper | None = None
        self._tried = settings
        self._trial_until_s = 0.0
        self._is_asked_again = False
        self._is_rolling = False

    def ask(self, now_s: float) -> None:
        """SIGHUP came."""
        self._say(replace(self._state, asked=self._state.asked + 1))
        if self.trial is not None:
            # What it has imported may be older than what was asked for now.
            self._is_asked_again = True
            return
        self._begin(now_s)

    def keep(self, now_s: float) -> None:
        """Go on; call it each turn."""
        trial = self.trial
        if trial is not None:
            if ending := ending_of(trial.pid):
                self._trial_ended(trial, ending, now_s)
            elif now_s >= self._trial_until_s:
                send(trial.pid, signal.SIGKILL)
        if self._is_rolling and not self._rolling.is_under_way:
            self._is_rolling = False
            if self._rolling.was_cancelled:
                self._end(
                    "stopped", "a new shard could not start; the shards not yet replaced stay"
                )
            else:
                self._replaced(self._settings)
                self._end("done", "all shards are replaced")

    def next_due_s(self) -> float | None:
        """When to call ``keep`` next at the latest; ``None`` = when something happens."""
        return self._trial_until_s if self.trial is not None else None

    def _begin(self, now_s: float) -> None:
        try:
            settings = self._read()
            self.trial = self._try_code(settings)
        except (ShoalError, OSError) as error:
            self._refuse(" ".join(str(error).split()))
            return
        self._tried = settings
        self._trial_until_s = now_s + _TRIAL_S

    def _read(self) -> Settings:
        if self._reread is None:
            return self._settings
        taken = take_over(self._settings, self._reread())
        settings, changed, kept = taken.settings, list(taken.changed), list(taken.kept)
        if settings.worker.concurrency > self._board.room:
            settings = settings.replace(worker__concurrency=self._settings.worker.concurrency)
            changed.remove("WORKER_CONCURRENCY")
            kept.append(f"WORKER_CONCURRENCY (above {self._board.room})")
        if kept:
            logger.warning("only a restart changes {}: left as it was", ", ".join(kept))
        if changed:
            logger.info("changed settings, for new shards: {}", ", ".join(changed))
        return settings

    def _trial_ended(self, trial: Helper, ending: Ending, now_s: float) -> None:
        self._forget(trial)
        self.trial = None
        if self._is_asked_again:
            self._is_asked_again = False
            self._begin(now_s)
            return
        if not trial.report.is_ready:
            failure = trial.report.failure
            self._refuse(failure[1] if failure else f"the application can't be imported: {ending}")
            return
        self._settings = self._tried
        self._adopt(self._settings)
        slots = self._fleet.alive()
        logger.info("SIGHUP: replacing {} shards, one by one", len(slots))
        self._rolling.begin(slots)
        self._is_rolling = True

    def _refuse(self, why: str) -> None:
        logger.error("reload refused, everything stays as it was: {}", why)
        # One that is under way goes on, with what it began with.
        self._end("refused", why)

    def _end(self, outcome: str, message: str) -> None:
        self._board.reloaded(outcome)
        if outcome == "done":
            logger.info("reload done: {}", message)
        ended = replace(self._state, ended=self._state.asked, outcome=outcome, message=message)
        self._say(ended)

    def _say(self, state: RunState) -> None:
        self._state = state
        if self._run_file is not None:
            self._run_file.write(state)
