"""The command ``shoal``: finds the subcommand, and turns errors into one line and a status.

Only the subcommand that runs is imported: the supervisor's process holds no event loop and no
Redis client for the sake of ``shoal task``.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import click
from click.shell_completion import shell_complete

from shoal import __version__
from shoal.cli.output import say_error
from shoal.errors import ExitStatus, ShoalError

#: Subcommand → where it is, in the order of ``--help``.
_COMMANDS = {
    "up": "shoal.cli.up:up",
    "worker": "shoal.cli.worker:worker",
    "reload": "shoal.cli.reload:reload",
    "api": "shoal.cli.api:api",
    "submit": "shoal.cli.submit:submit",
    "task": "shoal.cli.task:task",
    "cancel": "shoal.cli.moves:cancel",
    "requeue": "shoal.cli.moves:requeue",
    "duplicate": "shoal.cli.moves:duplicate",
    "delete": "shoal.cli.moves:delete",
    "queues": "shoal.cli.queues:queues",
    "dlq": "shoal.cli.dlq:dlq",
    "schedules": "shoal.cli.schedules:schedules",
    "workers": "shoal.cli.workers:workers",
    "autoscale": "shoal.cli.autoscale:autoscale",
    "keys": "shoal.cli.keys:keys",
    "token": "shoal.cli.token:token",
    "audit": "shoal.cli.audit_log:audit",
    "health": "shoal.cli.health:health",
    "verify": "shoal.cli.verify:verify",
    "partition": "shoal.cli.partition:partition",
    "completion": "shoal.cli.completion:completion",
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All, in their order."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The one of this name, or ``None``."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings come from the environment and shoal.toml; see docs/configuration.md.",
)
@click.version_option(__version__, prog_name="shoal")
def cli() -> None:
    """Shoal: a distributed task queue on Redis Streams."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status (see ``ExitStatus``).

    Args:
        arguments: ``None`` = those of the process.
    """
    if os.getpid() == 1:
        # The kernel gives the first process of a container only signals that it has a handler for:
        # a stop that comes before the command listens would be lost.
        signal.signal(signal.SIGTERM, _end)
    try:
        # Not cli.main, which answers a closed pipe with the status of a verification that failed.
        given = sys.argv[1:] if arguments is None else list(arguments)
        result: Any
        if arguments is None and (asked := os.environ.get("_SHOAL_COMPLETE")):
            # A shell asks what may come next; see shoal.cli.completion.
            result = shell_complete(cli, {}, "shoal", "_SHOAL_COMPLETE", asked)
        else:
            with cli.make_context("shoal", given) as context:
                result = cli.invoke(context)
        sys.stdout.flush()
        return int(result or ExitStatus.OK)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return ExitStatus.CONFIGURATION
    except (click.Abort, KeyboardInterrupt):
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough. Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.OK
    except Exception as error:  # noqa: BLE001 - the last frame of the process
        say_error(error)
        return error.exit_status if isinstance(error, ShoalError) else ExitStatus.SYSTEM


def _end(number: int, _frame: FrameType | None) -> None:
    """As the signal would end any other process."""
    os._exit(128 + number)
