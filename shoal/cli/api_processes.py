"""Several API processes on the same ports."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from shoal.api.main import run as serve
from shoal.api.reload import RELOAD_SIGNAL
from shoal.api.server import DRAIN_S
from shoal.api.sockets import check_free, open_sockets
from shoal.cli.family import Family, Member
from shoal.config import Settings
from shoal.errors import ConfigurationError
from shoal.telemetry import logs

#: In memory where there is such a place: every request writes there.
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_STOP_GRACE_S = 3.0


class ApiProcesses:
    """The parent of ``number`` API processes; the kernel spreads connections over them.

    Args:
        settings: With an API key.
        app_spec: ``MODULE:APP`` or ``None``.
        number: How many.
        reread: Reads all settings anew, for a reload.
    """

    def __init__(
        self,
        settings: Settings,
        app_spec: str | None,
        number: int,
        *,
        reread: Callable[[], Settings],
    ) -> None:
        self._reread = reread
        self._settings = settings
        self._app_spec = app_spec
        self._number = number
        self._metrics_directory = ""

    def run(self) -> int:
        """Run until a signal asks for the end.

        Returns:
            The exit status.

        Raises:
            ConfigurationError: There is no API key.
            StartupError: A port is taken, or a process dies again and again.
        """
        if self._settings.api.api_key is None:
            raise ConfigurationError("API_KEY is not set, and nobody could use the API")
        logs.configure(self._settings.log_level)
        # A sibling's word to reload must not end a child that does not listen for it yet.
        signal.signal(RELOAD_SIGNAL, signal.SIG_IGN)
        check_free(self._settings)
        place = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
        with (
            # Bound and never listening: while no child lives, nobody else gets the ports.
            open_sockets(self._settings, shared=True) as held,
            tempfile.TemporaryDirectory(prefix="shoal-api-", dir=place) as directory,
        ):
            self._metrics_directory = directory
            members = [
                Member(f"API process {n}", f"shoal api {n}", lambda n=n: self._serve(n))  # type: ignore[misc]
                for n in range(self._number)
            ]
            fds = {held.public.fileno(), held.admin.fileno()}
            return Family(members, DRAIN_S + _STOP_GRACE_S, close=fds).run()

    def _serve(self, number: int) -> int:
        return serve(
            self._settings,
            self._app_spec,
            shared=True,
            metrics_directory=self._metrics_directory,
            slot=number,
            reread=self._reread,
        )
