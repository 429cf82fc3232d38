"""Settings that a running API process takes over, and what makes it do so."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

import psutil

from shoal.api.schema import TaskReader
from shoal.config_reload import BY_API, TakenOver, take_over
from shoal.errors import ConfigurationError
from shoal.telemetry import logs
from shoal.telemetry.logs import logger

if TYPE_CHECKING:
    from shoal.api.state import ApiState

#: What one process of `shoal api -p N` tells the others; SIGHUP would end one that has a terminal.
RELOAD_SIGNAL: Final = signal.SIGUSR1


def reload_settings(state: ApiState) -> TakenOver:
    """Read the settings again, and have those that may change from the next request on.

    Raises:
        ConfigurationError: One is wrong; all stay as they were.
    """
    if state.reread is None:
        return TakenOver(state.settings, (), ())
    try:
        taken = take_over(state.settings, state.reread(), BY_API)
    except ConfigurationError as error:
        logger.error("reload refused, all settings stay: {}", "; ".join(error.problems))
        state.http.reloaded(done=False)
        raise
    settings = state.settings = taken.settings
    state.reader = TaskReader(settings, state.definitions)
    state.gateway.adopt(settings)
    logs.configure(settings.log_level)
    state.http.reloaded(done=True)
    if taken.kept:
        logger.warning("only a restart changes {}: left as it was", ", ".join(taken.kept))
    logger.info("reload done, changed: {}", ", ".join(taken.changed) or "nothing")
    return taken


def reload_on_signals(state: ApiState) -> None:
    """From now on SIGHUP reloads this process and its siblings; without a terminal, for losing that ends it."""

    def hang_up() -> None:
        if os.isatty(0):
            state.stopping.set()
            return
        _quietly(state)
        if state.tell_others is not None:
            state.tell_others()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    loop.add_signal_handler(RELOAD_SIGNAL, _quietly, state)


def tell_siblings() -> None:
    """Have the other children of this process's parent reload."""
    with contextlib.suppress(psutil.Error):
        for sibling in psutil.Process(os.getppid()).children():
            if sibling.pid != os.getpid():
                with contextlib.suppress(psutil.Error):
                    sibling.send_signal(RELOAD_SIGNAL)


def _quietly(state: ApiState) -> None:
    with contextlib.suppress(ConfigurationError):  # it is in the log
        reload_settings(state)
