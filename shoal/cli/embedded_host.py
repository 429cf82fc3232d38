"""Keeps a Valkey server and a supervisor alive on this host, and ends them in the right order."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import sys
from collections import deque
from pathlib import Path

import click

from shoal.clock import mono_s
from shoal.config import Settings
from shoal.embedded import EmbeddedServer
from shoal.errors import ExitStatus, StartupError
from shoal.supervisor import child
from shoal.supervisor import main as supervisor
from shoal.supervisor.signals import SignalPipe

#: In the data directory, while the server runs: its URL, for other processes of this user.
URL_FILE = "redis.url"
#: More deaths than this within the window, and it gives up.
MAX_DEATHS = 5
DEATH_WINDOW_S = 60.0
#: What the supervisor may take beyond WORKER_SHUTDOWN_TIMEOUT before it is killed.
_STOP_GRACE_S = 3.0


class EmbeddedHost:
    """The parent of both: one thread, no event loop.

    Stopping goes from the outside in: first the supervisor, whose shards record their last
    outcomes, then the server.

    Args:
        settings: With ``redis.url`` unset.
        app_spec: ``MODULE:APP``.
        data_dir: Of the server.
    """

    def __init__(self, settings: Settings, app_spec: str, data_dir: Path) -> None:
        self._settings = settings
        self._app_spec = app_spec
        self._server = EmbeddedServer(data_dir)
        self._url_file = self._server.data_dir / URL_FILE
        self._supervisor_pid = 0
        self._status: int | None = None
        self._stop_by_s: float | None = None
        self._deaths: deque[float] = deque()

    def run(self) -> int:
        """Run until the supervisor ends or a signal asks for the end.

        Returns:
            The supervisor's exit status.

        Raises:
            StartupError: The server cannot start, or one of both dies again and again.
        """
        # Before there is anything to end in order, a signal ends this process as it ends any.
        self._server.start()
        signals = SignalPipe()
        try:
            self._publish_url()
            self._fork_supervisor()
            while self._status is None:
                ready, _, _ = select.select([signals], [], [], 0.5)
                for number in signals.read() if ready else ():
                    self._obey(number)
                self._look()
            return self._status
        finally:
            self._kill_supervisor()
            self._url_file.unlink(missing_ok=True)
            self._server.stop()
            signals.close()

    def _publish_url(self) -> None:
        """Not by printing it: it may hold a password."""
        new = self._url_file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(self._server.url, encoding="utf-8")
        new.replace(self._url_file)
        click.echo(
            f"Valkey is up, with its data in {self._server.data_dir}; other terminals reach it "
            f'after: export REDIS_URL="$(cat {shlex.quote(str(self._url_file))})"',
            err=True,
        )

    def _fork_supervisor(self) -> None:
        settings = self._settings.replace(redis__url=self._server.url)

        def run() -> int:
            # Ctrl-C reaches the terminal's whole group; the supervisor is to hear of it once.
            os.setpgid(0, 0)
            return supervisor.run(settings, self._app_spec)

        self._supervisor_pid = child.fork(
            run, title="shoal supervisor", close=(), death_signal=signal.SIGTERM
        )

    def _obey(self, number: signal.Signals) -> None:
        if number is signal.SIGHUP and sys.stdin is not None and sys.stdin.isatty():
            number = signal.SIGTERM  # the terminal is gone, and so is who started this
        if number in (signal.SIGTERM, signal.SIGINT):
            if self._stop_by_s is None:
                limit_s = self._settings.worker.shutdown_timeout_s + _STOP_GRACE_S
                self._stop_by_s = mono_s() + limit_s
            self._tell(signal.SIGTERM)
        elif number is not signal.SIGCHLD:
            self._tell(number)

    def _tell(self, number: int) -> None:
        if self._supervisor_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._supervisor_pid, number)

    def _look(self) -> None:
        """See who died; start it again unless it ended by itself or is to end."""
        if self._supervisor_pid:
            pid, raw = os.waitpid(self._supervisor_pid, os.WNOHANG)
            if pid:
                self._supervisor_pid = 0
                self._after_supervisor(os.waitstatus_to_exitcode(raw))
        if self._status is None and self._server.poll() is not None:
            self._count_death("the embedded Valkey server", ExitStatus.REDIS_UNREACHABLE)
            click.echo("The embedded Valkey server ended and is started again", err=True)
            # Not waited for: it may read its data for long, and shards wait for it by themselves.
            self._server.launch()
        if self._stop_by_s is not None and mono_s() > self._stop_by_s:
            self._tell(signal.SIGKILL)

    def _after_supervisor(self, status: int) -> None:
        if status >= 0 or self._stop_by_s is not None:
            self._status = status if status >= 0 else ExitStatus.SYSTEM
            return
        self._count_death("the supervisor", ExitStatus.RESTART_LIMIT)
        name = signal.Signals(-status).name
        click.echo(f"The supervisor was ended by {name} and is started again", err=True)
        self._fork_supervisor()

    def _count_death(self, who: str, status: ExitStatus) -> None:
        now_s = mono_s()
        self._deaths.append(now_s)
        while self._deaths[0] < now_s - DEATH_WINDOW_S:
            self._deaths.popleft()
        if len(self._deaths) > MAX_DEATHS:
            raise StartupError(
                f"{who} died {len(self._deaths)} times within {DEATH_WINDOW_S:g} s",
                f"The server's log says more: {self._server.log_file}",
                status,
            )

    def _kill_supervisor(self) -> None:
        """Only when this ends by an error; shards see the death of their supervisor and follow."""
        if self._supervisor_pid:
            self._tell(signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._supervisor_pid, 0)
            self._supervisor_pid = 0
