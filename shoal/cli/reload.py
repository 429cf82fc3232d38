"""``shoal reload``: the worker host that runs here reads its settings and its code again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import click

from shoal.config import Settings
from shoal.errors import ExitStatus, ShoalError, StartupError
from shoal.supervisor.run_file import RunState, read_state, run_file_path

#: How often it is looked whether the reload has ended, in seconds.
_LOOK_S = 0.1
#: How often a file that is just being written is read again.
_TRIES = 20


@click.command()
@click.option("--wait", "-w", is_flag=True, help="Until all shards are replaced.")
def reload(*, wait: bool) -> int:
    """Have the worker host that runs here replace its shards one by one.

    It reads its settings again, and each new shard imports the application anew; nothing that runs is
    lost. Bad settings and code that can't be imported change nothing. The host is found by WORKER_ID,
    SHOAL_NAMESPACE and SHOAL_RUN_DIR.
    """
    path = run_file_path(Settings.from_environment())
    before = _state(path)
    if before is None:
        raise StartupError(
            f"no worker host that runs here has the file {path}",
            "Give this command the WORKER_ID, SHOAL_NAMESPACE and SHOAL_RUN_DIR of the host, and run it as "
            "the same user.",
            ExitStatus.SYSTEM,
        )
    with contextlib.suppress(ProcessLookupError):
        os.kill(before.pid, signal.SIGHUP)
    if not wait:
        click.echo(
            f"The supervisor {before.pid} was told to reload; its log says what comes of it."
        )
        return int(ExitStatus.OK)
    return _follow(path, before)


def _follow(path: Path, before: RunState) -> int:
    while (state := _state(path)) is not None and state.pid == before.pid:
        if state.ended > before.asked:
            click.echo(f"Reload {state.outcome}: {state.message}", err=state.outcome != "done")
            return int(ExitStatus.OK if state.outcome == "done" else ExitStatus.CONFIGURATION)
        time.sleep(_LOOK_S)
    raise ShoalError(f"the supervisor {before.pid} ended before it had replaced its shards")


def _state(path: Path) -> RunState | None:
    for _ in range(_TRIES):
        try:
            return read_state(path)
        except ValueError:
            time.sleep(_LOOK_S)
        except OSError as error:
            raise StartupError(
                f"{path} can't be read: {error.strerror}",
                "Run this as the user whose worker host it is.",
                ExitStatus.SYSTEM,
            ) from None
    raise StartupError(f"{path} is no file of a supervisor", "Remove it.", ExitStatus.SYSTEM)
