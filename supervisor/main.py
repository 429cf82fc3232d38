"""The supervisor's main: prepares what the children share, then lets the arbiter work."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import threading
from collections.abc import Callable

from shoal.config import Settings
from shoal.errors import ExitStatus
from shoal.supervisor.arbiter import Arbiter
from shoal.supervisor.board import Board
from shoal.supervisor.cores import default_shards
from shoal.supervisor.launcher import Launcher, Programs
from shoal.supervisor.metrics_directory import MetricsDirectory
from shoal.supervisor.notify import Notifier
from shoal.supervisor.restart import RestartPolicy
from shoal.supervisor.run_file import RunFile
from shoal.telemetry import logs

__all__ = ["run"]

#: How many shards SIGTTIN can reach, beyond those of the start.
_SPARE_PLACES = 64
_DEFAULT_PROGRAMS = Programs()


def run(
    settings: Settings,
    app_spec: str,
    *,
    child: str = _DEFAULT_PROGRAMS.shard,
    releaser: str = _DEFAULT_PROGRAMS.releaser,
    exporter: str = _DEFAULT_PROGRAMS.exporter,
    trial: str = _DEFAULT_PROGRAMS.trial,
    policy: RestartPolicy | None = None,
    reread: Callable[[], Settings] | None = None,
    watch: bool = False,
) -> int:
    """Run the shards of this host until a signal ends it; main thread only.

    SIGTERM and SIGINT drain, a second one releases at once; SIGHUP reads the settings again and
    replaces the shards one by one; SIGTTIN and SIGTTOU mean one more and one fewer.

    Args:
        settings: All settings; handed down to the children.
        app_spec: ``module:app``, imported in the shards only.
        child: The shard's main, ``module:function``.
        releaser: The releaser's.
        exporter: The exporter's.
        trial: What tries the application before shards are replaced.
        policy: How patient it is with shards that die; None = the defaults.
        reread: Reads all settings anew for a reload; None = they stay as they are.
        watch: Whether the shards are replaced whenever the application's files change.

    Returns:
        The exit status: 0 when all shards ended as they should.
    """
    logs.configure(settings.log_level, worker=settings.worker.id)
    programs = Programs(shard=child, releaser=releaser, exporter=exporter, trial=trial)
    shards = settings.worker.shards or default_shards()
    board = Board(shards + _SPARE_PLACES, settings.worker.concurrency)
    with contextlib.ExitStack() as resources:
        metrics_path = None
        has_port = settings.worker.metrics_port is not None
        if settings.metrics_enabled and has_port:
            try:
                directory = MetricsDirectory()
            except OSError as error:
                sys.stderr.write(f"shoal: no directory for metrics can be made: {error}\n")
                return int(ExitStatus.SYSTEM)
            resources.callback(directory.close)
            metrics_path = directory.path
        notifier = Notifier.take(os.environ)
        launcher = Launcher(settings, app_spec, board, programs, metrics_path)
        resources.callback(launcher.close)
        run_file = RunFile.take(settings)
        if run_file is not None:
            resources.callback(run_file.close)
            # A child that held it would keep the lock beyond the supervisor's end.
            launcher.own_fds.add(run_file.fd)
        _share_memory(programs)
        resources.callback(gc.unfreeze)
        return Arbiter(
            settings,
            shards,
            board,
            launcher,
            notifier,
            with_exporter=has_port,
            with_watcher=watch,
            policy=policy,
            reread=reread,
            run_file=run_file,
        ).run()


def _share_memory(programs: Programs) -> None:
    """Import what the children need, and keep the collector from touching it.

    Each object the collector visits is written to, and a written page is no longer shared.
    """
    for module in programs.modules:
        importlib.import_module(module)
    if threading.active_count() > 1:
        names = sorted(thread.name for thread in threading.enumerate())
        logs.logger.warning("forking with more than one thread is not safe: {}", ", ".join(names))
    gc.disable()
    gc.collect()
    gc.freeze()
    # The collector may go on here: what is frozen it no longer visits.
    gc.enable()
