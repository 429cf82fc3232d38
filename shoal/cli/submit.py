"""``shoal submit``: one task from the command line."""

from __future__ import annotations

import sys
from typing import Literal

import click
import msgspec

from shoal.app import Shoal
from shoal.cli.client import with_app
from shoal.cli.output import print_json
from shoal.codec import check_payload
from shoal.submission import SubmitOptions


@click.command()
@click.argument("type")
@click.argument("payload", metavar="JSON", default="null")
@click.option("-p", "--priority", help="LOW, NORMAL, HIGH or CRITICAL.")
@click.option("-d", "--delay", help="Run it after this long: 30, 5m.")
@click.option("-q", "--queue", help="Where workers find it; default: default.")
@click.option("-t", "--timeout", help="How long one attempt may take: 30, 5m.")
@click.option("-r", "--max-retries", type=int, help="Retries after the first attempt.")
@click.option("-k", "--unique-key", help="Submit only while no task with this key is under way.")
@click.option(
    "-D", "--depends-on", metavar="ID", multiple=True, help="Run it once this task has COMPLETED."
)
@click.option(
    "--on-dependency-failure",
    type=click.Choice(["cancel", "run"]),
    help="When one of those does not complete: cancel it (the default), or run it all the same.",
)
@click.option(
    "--retention", metavar="DURATION", help="Keep it so long once it has ended; 0: forget it."
)
@click.option("-w", "--wait", is_flag=True, help="Wait until it has ended and print its result.")
@click.option("--wait-timeout", metavar="DURATION", help="Wait at most this long.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole task as JSON.")
def submit(
    type: str,
    payload: str,
    priority: str | None,
    delay: str | None,
    queue: str | None,
    timeout: str | None,
    max_retries: int | None,
    unique_key: str | None,
    depends_on: tuple[str, ...],
    on_dependency_failure: Literal["cancel", "run"] | None,
    retention: str | None,
    wait_timeout: str | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Submit one task of TYPE, with JSON as its payload (- reads standard input).

    Prints the task's id; with --wait its result. The exit status says whether it completed.
    """
    text = sys.stdin.read() if payload == "-" else payload
    raw = text.encode("utf-8", "surrogateescape")
    options: SubmitOptions = {
        "priority": priority,
        "delay": delay,
        "queue": queue,
        "timeout": timeout,
        "max_retries": max_retries,
        "unique_key": unique_key,
        "depends_on": depends_on or None,
        "on_dependency_failure": on_dependency_failure,
        "retention": retention,
    }

    async def work(app: Shoal) -> None:
        check_payload(raw, app.settings.task.max_payload_bytes)
        handle = await app.submit(type, msgspec.Raw(raw.strip()), **options)
        if not wait and wait_timeout is None:
            if as_json:
                print_json((await handle.task()).to_json())
            else:
                click.echo(handle.id)
            return
        result = await handle.result(wait_timeout)
        document = (await handle.task()).to_json() if as_json else result
        print_json(document)

    with_app(work)
