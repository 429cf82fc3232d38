"""Keeps child processes alive, and ends them together: what ``up`` and ``api -p`` are parents of."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import click

from shoal.cli.output import say_error
from shoal.clock import mono_s
from shoal.errors import ExitStatus, ShoalError, StartupError
from shoal.supervisor import child
from shoal.supervisor.signals import SignalPipe

#: More deaths than this within the window, and it gives up.
MAX_DEATHS = 5
DEATH_WINDOW_S = 60.0
#: The pause before a restart: none at first, then doubled from one death to the next.
FIRST_PAUSE_S = 0.25
#: How often children are looked at, in seconds, when no signal comes.
_LOOK_S = 0.5


class Deaths:
    """Counts the deaths of one thing within the window.

    Args:
        who: How a message calls it.
        status: The exit status when there were too many.
        hint: Where more is to be read.
    """

    def __init__(self, who: str, status: ExitStatus, hint: str = "Its log says more.") -> None:
        self.who = who
        self._status = status
        self._hint = hint
        self._times: deque[float] = deque()

    def count(self) -> float:
        """One more; returns the pause before the next start, in seconds.

        Raises:
            StartupError: There were too many.
        """
        now_s = mono_s()
        self._times.append(now_s)
        while self._times[0] < now_s - DEATH_WINDOW_S:
            self._times.popleft()
        if len(self._times) > MAX_DEATHS:
            raise StartupError(
                f"{self.who} died {len(self._times)} times within {DEATH_WINDOW_S:g} s",
                self._hint,
                self._status,
            )
        recent = len(self._times)
        return 0.0 if recent == 1 else FIRST_PAUSE_S * 2.0 ** (recent - 2)


def _status_when_told(status: int) -> int:
    """What the end of a member that was told to end counts as.

    Ended by SIGTERM itself it had not yet come to listen for it, so it had begun nothing: that is no fault.
    """
    if status == -signal.SIGTERM:
        return int(ExitStatus.OK)
    return status if status >= 0 else int(ExitStatus.SYSTEM)


class Member:
    """A child process that is started again when it dies.

    Args:
        who: How messages call it, such as ``the supervisor``.
        title: What ``ps`` shows, at most 15 bytes.
        run: Called in the child; its status is the child's.
        always_final: Whether the end of all is near whenever it ends by itself; otherwise only when
            it says that it cannot start (a status of 64 or more).
    """

    def __init__(
        self, who: str, title: str, run: Callable[[], int], *, always_final: bool = False
    ) -> None:
        self.who = who
        self._title = title
        self._run = run
        self._always_final = always_final
        self._deaths = Deaths(who, ExitStatus.RESTART_LIMIT)
        self._due_s = 0.0
        self.pid = 0

    def start(self, close: Iterable[int]) -> None:
        """Fork it, if it does not run and its pause is over; ``close`` are the parent's own."""
        if self.pid or mono_s() < self._due_s:
            return
        self.pid = child.fork(
            self._enter, title=self._title, close=close, death_signal=signal.SIGTERM
        )

    def _enter(self) -> int:
        # Ctrl-C reaches the terminal's whole group; a child is to hear of it once, from its parent.
        os.setpgid(0, 0)
        try:
            return self._run()
        except ShoalError as error:
            say_error(error)
            return int(error.exit_status)

    def tell(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def look(self, *, is_stopping: bool) -> int | None:
        """See whether it ended; its status, when that ends all.

        Raises:
            StartupError: It died too often.
        """
        if not self.pid:
            return None
        pid, raw = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        self.pid = 0
        status = os.waitstatus_to_exitcode(raw)
        if is_stopping:
            return _status_when_told(status)
        if status >= (0 if self._always_final else ExitStatus.CONFIGURATION):
            return status
        self._due_s = mono_s() + self._deaths.count()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        click.echo(
            f"{self.who[0].upper()}{self.who[1:]} was ended {how} and is started again", err=True
        )
        return None

    def kill(self) -> None:
        """Only when the parent ends by an error."""
        if self.pid:
            self.tell(signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self.pid = 0


class Family:
    """The parent of members: one thread, no event loop.

    Args:
        members: Started in this order.
        stop_limit_s: What all may take to end before they are killed.
        watch: Called again and again; what else there is to be kept alive.
        close: File descriptors that children must not keep.
        others: Process ids of children that somebody else here waits for.
    """

    def __init__(
        self,
        members: Sequence[Member],
        stop_limit_s: float,
        watch: Callable[[], None] = lambda: None,
        close: Iterable[int] = (),
        others: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        self._members = members
        self._stop_limit_s = stop_limit_s
        self._watch = watch
        self._close = frozenset(close)
        self._others = others
        self._stop_by_s: float | None = None
        self._status: int | None = None

    def run(self) -> int:
        """Run until a signal asks for the end, or a member ends for good; main thread only.

        Returns:
            0, or the status of the first member that ended with another.

        Raises:
            StartupError: A member died again and again.
        """
        signals = SignalPipe()
        try:
            self._start({*signals.fds, *self._close})
            while any(member.pid for member in self._members) or self._stop_by_s is None:
                ready, _, _ = select.select([signals], [], [], _LOOK_S)
                for number in signals.read() if ready else ():
                    self._obey(number)
                self._look()
                if self._stop_by_s is None:
                    self._start({*signals.fds, *self._close})
            return self._status or int(ExitStatus.OK)
        finally:
            for member in self._members:
                member.kill()
            signals.close()

    def _start(self, close: set[int]) -> None:
        for member in self._members:
            member.start(close)

    def _obey(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP and os.isatty(0):
            number = signal.SIGTERM  # the terminal is gone, and so is who started this
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif number is not signal.SIGCHLD:
            # What means something to the first member only; another would end by it.
            self._members[0].tell(number)

    def _stop(self) -> None:
        if self._stop_by_s is None:
            self._stop_by_s = mono_s() + self._stop_limit_s
        for member in self._members:
            member.tell(signal.SIGTERM)

    def _look(self) -> None:
        for member in self._members:
            status = member.look(is_stopping=self._stop_by_s is not None)
            if status is None:
                continue
            self._status = self._status or status
            if self._stop_by_s is None:
                self._stop()
        self._watch()
        if os.getpid() == 1:
            self._reap_orphans()
        if self._stop_by_s is not None and mono_s() > self._stop_by_s:
            for member in self._members:
                member.tell(signal.SIGKILL)

    def _reap_orphans(self) -> None:
        """As the first process of a container: bury what others left behind."""
        mine = {member.pid for member in self._members}.union(self._others())
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in mine:
                    return  # it ended just now; the next turn, or who else waits for it, takes it
                os.waitpid(found.si_pid, os.WNOHANG)
