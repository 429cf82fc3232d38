"""What ``shoal up`` keeps alive on a host: a Valkey server, a supervisor, the API."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import click

from shoal.cli.api_key import KEY_FILE, SECRET_FILE, stored_key
from shoal.cli.family import Deaths, Family, Member
from shoal.config import Settings
from shoal.embedded import EmbeddedServer
from shoal.errors import ExitStatus
from shoal.supervisor import main as supervisor

#: In the data directory, while the server runs: its URL, for other processes of this user.
URL_FILE = "redis.url"
#: What the supervisor may take beyond WORKER_SHUTDOWN_TIMEOUT before it is killed.
_STOP_GRACE_S = 3.0


class Host:
    """The parent of all.

    Stopping goes from the outside in: first the API and the supervisor, whose shards record their
    last outcomes, then the server.

    Args:
        settings: Without ``redis.url`` a server is started.
        app_spec: ``MODULE:APP``.
        data_dir: Of the server, and of the API's key when none is set.
        reread: Reads all settings anew, for a reload of the supervisor.
        watch: Whether the supervisor reloads when the application's files change.
    """

    def __init__(
        self,
        settings: Settings,
        app_spec: str,
        data_dir: Path,
        *,
        reread: Callable[[], Settings],
        watch: bool = False,
    ) -> None:
        self._reread = reread
        self._is_watching = watch
        self._app_spec = app_spec
        self._data_dir = data_dir.expanduser().absolute()
        self._server = None if settings.redis.url is not None else EmbeddedServer(data_dir)
        self._url_file = self._data_dir / URL_FILE
        self._key_file: Path | None = None
        self._settings = settings
        log_file = self._server.log_file if self._server else ""
        self._deaths = Deaths(
            "the embedded Valkey server",
            ExitStatus.REDIS_UNREACHABLE,
            f"The server's log says more: {log_file}",
        )

    def run(self) -> int:
        """Run until the supervisor ends or a signal asks for the end.

        Returns:
            The exit status of what ended first, 0 when that was as it should be.

        Raises:
            StartupError: The server cannot start, or something dies again and again.
        """
        # Before there is anything to end in order, a signal ends this process as it ends any.
        if self._server is not None:
            self._server.start()
        try:
            self._make_key()
            if self._server is not None:
                self._settings = self._settings.replace(redis__url=self._server.url)
                self._publish_url(self._server.url)
            members = [
                Member("the supervisor", "shoal supervisor", self._supervise, always_final=True),
                Member("the API", "shoal api", self._serve),
            ]
            limit_s = self._settings.worker.shutdown_timeout_s + _STOP_GRACE_S
            return Family(members, limit_s, watch=self._watch, others=self._server_pid).run()
        finally:
            if self._server is not None:
                self._url_file.unlink(missing_ok=True)
                self._server.stop()

    def _supervise(self) -> int:
        return supervisor.run(
            self._settings, self._app_spec, reread=self._read_again, watch=self._is_watching
        )

    def _read_again(self) -> Settings:
        """As at the start; what was made here, a server and secrets, is the same as then."""
        read, here = self._reread(), self._settings
        return read.replace(
            redis__url=None if read.redis.url else here.redis.url,
            api__api_key=None if read.api.api_key else here.api.api_key,
            api__jwt_secret=None if read.api.jwt_secret else here.api.jwt_secret,
        )

    def _serve(self) -> int:
        # Imported in the child: the parent, and what else it forks, need not hold it.
        from shoal.api.main import run

        return run(
            self._settings, self._app_spec, on_ready=self._say_ready, reread=self._read_again
        )

    def _make_key(self) -> None:
        if self._settings.api.api_key is None:
            self._key_file = self._data_dir / KEY_FILE
            self._settings = self._settings.replace(api__api_key=stored_key(self._key_file))
        if self._settings.api.jwt_secret is None:
            # `shoal token` finds it there.
            secret = stored_key(self._data_dir / SECRET_FILE)
            self._settings = self._settings.replace(api__jwt_secret=secret)

    def _say_ready(self) -> None:
        api = self._settings.api
        # Only a key that was made here is shown: nobody else knows it.
        key = f", key {api.api_key} (also in {self._key_file})" if self._key_file else ""
        click.echo(
            f"The API is up: http://localhost:{api.api_port}, for operators "
            f"http://localhost:{api.admin_port}{key}",
            err=True,
        )

    def _publish_url(self, url: str) -> None:
        """Not by printing it: it may hold a password."""
        new = self._url_file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(url, encoding="utf-8")
        new.replace(self._url_file)
        click.echo(
            f"Valkey is up, with its data in {self._data_dir}; other terminals reach it "
            f'after: export REDIS_URL="$(cat {shlex.quote(str(self._url_file))})"',
            err=True,
        )

    def _server_pid(self) -> list[int]:
        pid = self._server.pid if self._server is not None else None
        return [] if pid is None else [pid]

    def _watch(self) -> None:
        """Start the server again when it has ended."""
        if self._server is not None and self._server.poll() is not None:
            self._deaths.count()
            click.echo("The embedded Valkey server ended and is started again", err=True)
            # Not waited for: it may read its data for long, and all wait for it by themselves.
            self._server.launch()
