"""``shoal queues``: how much waits, and where; peek, purge, pause and resume."""

from __future__ import annotations

from typing import Any

import click

from shoal.app import Shoal
from shoal.broker.operator_results import PeekedTask
from shoal.broker.purging import Purge
from shoal.broker.results import QueueDepth
from shoal.cli.audit import note
from shoal.cli.client import with_app
from shoal.cli.confirm import confirm
from shoal.cli.output import print_json, print_table
from shoal.errors import InvalidOperation
from shoal.model.identity import check_queue
from shoal.model.priority import Priority
from shoal.model.task import format_time, from_unix_ms

_PRIORITY = click.option("-p", "--priority", help="LOW, NORMAL, HIGH or CRITICAL; default: all.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@_JSON
@click.pass_context
def queues(context: click.Context, *, as_json: bool) -> None:
    """Show the depth of every queue and priority, and how many tasks stand in each state.

    With a command: look into a queue, purge it, pause it or resume it.
    """
    if context.invoked_subcommand is None:
        _show(as_json=as_json)


def _show(*, as_json: bool) -> None:
    async def work(app: Shoal) -> tuple[list[QueueDepth], dict[str, int]]:
        broker = await app.broker()
        return await broker.queues(), await broker.counts_by_state()

    depths, states = with_app(work)
    if as_json:
        print_json({"queues": [_document(row) for row in depths], "states": states})
        return
    print_table(
        ("queue", "priority", "depth", "returned", "isolated", "paused"),
        [tuple(_document(row).values()) for row in depths],
        "no queue yet: nothing was ever submitted",
    )
    if depths:
        click.echo()
        print_table(("state", "tasks"), list(states.items()), "")


def _document(row: QueueDepth) -> dict[str, Any]:
    return {
        "queue": row.queue,
        "priority": Priority(row.priority).name,
        "depth": row.ready,
        "returned": row.returned,
        "isolated": row.isolated,
        "paused": row.paused,
    }


@queues.command()
@click.argument("queue")
@click.option("-p", "--priority", default="NORMAL", help="LOW, NORMAL, HIGH or CRITICAL.")
@click.option("-n", "--limit", type=click.IntRange(1, 256), default=20, help="How many.")
@_JSON
def peek(queue: str, priority: str, limit: int, *, as_json: bool) -> None:
    """Show the tasks of QUEUE that will be claimed next, without taking them."""
    name, number = _checked(queue, priority)

    async def work(app: Shoal) -> list[PeekedTask]:
        return await (await app.broker()).peek(name or queue, number or 0, limit)

    rows = with_app(work)
    documents = [
        {
            "id": row.id,
            "type": row.type,
            "ready_at": format_time(from_unix_ms(row.ready_ms)),
            "returned": row.returned,
        }
        for row in rows
    ]
    if as_json:
        print_json({"tasks": documents})
        return
    print_table(
        ("id", "type", "ready at", "returned"),
        [tuple(document.values()) for document in documents],
        "nothing waits there",
    )


@queues.command()
@click.argument("queue")
@_PRIORITY
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_JSON
def purge(queue: str, priority: str | None, *, yes: bool, as_json: bool) -> None:
    """Cancel all that waits in QUEUE; what runs goes on, and what comes later stays.

    The tasks are CANCELLED with the reason `purged`; shoal requeue brings them back.
    """
    name, number = _checked(queue, priority)
    words = f"queue {queue}" + (f" at {Priority(number).name}" if number is not None else "")

    async def count(app: Shoal) -> int:
        rows = await (await app.broker()).queues()
        return sum(
            row.ready + row.isolated
            for row in rows
            if row.queue == name and number in (None, row.priority)
        )

    async def work(app: Shoal) -> int:
        purged = await (await Purge.begin(await app.broker(), name, number)).run()
        await note(app, "queue.purge", words, purged=purged)
        return purged

    if not yes:
        confirm(f"Cancel the {with_app(count)} tasks that wait in {words}?", is_sure=yes)
    purged = with_app(work)
    if as_json:
        print_json({"purged": purged})
    else:
        click.echo(f"{purged} tasks of {words} are cancelled")


@queues.command()
@click.argument("queue", required=False)
@_PRIORITY
@click.option("--all", "is_all", is_flag=True, help="All queues.")
@_JSON
def pause(queue: str | None, priority: str | None, *, is_all: bool, as_json: bool) -> None:
    """Let workers claim nothing of QUEUE; submissions go on, and so does what runs."""
    _switch("pause", queue, priority, is_all=is_all, as_json=as_json)


@queues.command()
@click.argument("queue", required=False)
@_PRIORITY
@click.option("--all", "is_all", is_flag=True, help="What was paused with --all.")
@_JSON
def resume(queue: str | None, priority: str | None, *, is_all: bool, as_json: bool) -> None:
    """Let workers claim from QUEUE again."""
    _switch("resume", queue, priority, is_all=is_all, as_json=as_json)


def _switch(
    verb: str, queue: str | None, priority: str | None, *, is_all: bool, as_json: bool
) -> None:
    if is_all == (queue is not None) or (is_all and priority is not None):
        raise InvalidOperation("name a QUEUE, with --priority if you like, or give --all")
    target = "*"
    if queue is not None:
        name, number = _checked(queue, priority)
        target = f"{name}:{number}" if number is not None else str(name)

    async def work(app: Shoal) -> bool:
        broker = await app.broker()
        changed = await (broker.pause(target) if verb == "pause" else broker.resume(target))
        await note(app, f"queue.{verb}", target, changed=changed)
        return changed

    changed = with_app(work)
    done = f"{verb}d"
    if as_json:
        print_json({"target": target, "state": done, "changed": changed})
    else:
        shown = "all queues" if is_all else target
        click.echo(
            f"{shown}: {done}"
            if changed
            else f"{shown}: was not paused before"
            if verb == "resume"
            else f"{shown}: was paused already"
        )


def _checked(queue: str, priority: str | None) -> tuple[str | None, int | None]:
    try:
        name = check_queue(queue)
        return name, None if priority is None else int(Priority.parse(priority))
    except ValueError as error:
        raise InvalidOperation(str(error)) from None
