"""Asks its supervisor for a reload whenever the application's Python files change; for development."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

from shoal.errors import ExitStatus
from shoal.lifecycle import READY, startup_failure
from shoal.loading import parse_spec
from shoal.telemetry.logs import logger

__all__ = ["folder_of", "main"]

#: Changes that follow one another as closely as this are one, in ms: an editor writes a file in steps.
_QUIET_MS = 200
#: Changes that never pause are reported after this long, in ms.
_DEBOUNCE_MS = 1600


def folder_of(app_spec: str) -> Path:
    """The folder of the outermost package that ``MODULE:APP`` is in, or that of the module; nothing is imported.

    Raises:
        StartupError: It has not the form ``MODULE:APP``.
        LookupError: There is no such module.
    """
    module, _ = parse_spec(app_spec)
    top = module.partition(".")[0]
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - sys.path holds texts
        sys.path.insert(0, here)
    spec = importlib.util.find_spec(top)
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).resolve().parent
    raise LookupError(f"there is no module {top!r} whose files could be watched")


def main(app_spec: str, ready_fd: int) -> int:
    """Watch until the supervisor ends."""
    from watchfiles import PythonFilter, watch

    supervisor = os.getppid()
    try:
        folder = folder_of(app_spec)
    except LookupError as error:
        os.write(ready_fd, startup_failure(ExitStatus.MODULE_NOT_FOUND, str(error)))
        return int(ExitStatus.MODULE_NOT_FOUND)
    os.write(ready_fd, READY)
    os.close(ready_fd)
    logger.info("watching {} for changes", folder)
    changes = watch(folder, watch_filter=PythonFilter(), step=_QUIET_MS, debounce=_DEBOUNCE_MS)
    for changed in changes:
        names = sorted({os.path.relpath(path, folder) for _, path in changed})
        logger.info("{} changed: reloading", ", ".join(names[:5]))
        os.kill(supervisor, signal.SIGHUP)
    return int(ExitStatus.OK)
