"""``shoal worker``: a supervisor and its shards, on a Redis that runs elsewhere."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from shoal.config import Settings
from shoal.errors import ExitStatus, StartupError
from shoal.loading import parse_spec


def worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options that ``worker`` and ``up`` share; what is not given is ``None``."""
    for decorate in reversed(
        (
            click.argument("app", metavar="MODULE:APP"),
            click.option("-n", "--shards", metavar="N", help="Processes; default cores - 1."),
            click.option("-c", "--concurrency", metavar="N", help="Tasks each runs at once."),
            click.option("-Q", "--queues", metavar="A,B", help="Queues to serve; default all."),
            click.option("-b", "--burst", is_flag=True, help="End when no work is left."),
            click.option(
                "--reload",
                "watch",
                is_flag=True,
                help="Reload when MODULE's files change; for development.",
            ),
        )
    ):
        command = decorate(command)
    return command


def worker_settings(
    shards: str | None, concurrency: str | None, queues: str | None, *, burst: bool
) -> Settings:
    """The settings of this process, with the options on top.

    Raises:
        ConfigurationError: A setting or an option is wrong.
    """
    return Settings.from_environment().replace(
        worker__shards=shards,
        worker__concurrency=concurrency,
        worker__queues=queues,
        worker__burst=burst or None,
    )


def check_watching() -> None:
    """Whether files can be watched here.

    Raises:
        StartupError: What that takes is not installed.
    """
    if importlib.util.find_spec("watchfiles") is None:
        raise StartupError(
            "--reload needs the package watchfiles",
            "Install shoal[reload].",
            ExitStatus.CONFIGURATION,
        )


@click.command()
@worker_options
def worker(
    app: str,
    shards: str | None,
    concurrency: str | None,
    queues: str | None,
    *,
    burst: bool,
    watch: bool,
) -> int:
    """Run the tasks of MODULE:APP until SIGTERM or Ctrl-C.

    A supervisor forks shards, which import MODULE and run its handlers. SIGTERM drains and
    ends; a second one hands back at once. SIGHUP (see `shoal reload`) reads the settings again and
    replaces the shards one by one; SIGTTIN and SIGTTOU start one more and end one.
    """
    parse_spec(app)
    if watch:
        check_watching()
    reread = partial(worker_settings, shards, concurrency, queues, burst=burst)
    settings = reread()
    from shoal.supervisor.main import run

    return run(settings, app, reread=reread, watch=watch)
