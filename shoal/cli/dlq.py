"""``shoal dlq``: what will not run again by itself, and why."""

from __future__ import annotations

from typing import Unpack

import click

from shoal.app import Shoal
from shoal.broker.queue_operations import GROUPED, DeadGroups
from shoal.cli.client import with_app
from shoal.cli.output import print_json, print_table
from shoal.cli.selecting import Chosen, run_move, selecting
from shoal.errors import InvalidOperation
from shoal.model.identity import check_type
from shoal.model.selection import BulkVerb
from shoal.model.task import Task, format_time
from shoal.model.transitions import State


@click.group()
def dlq() -> None:
    """Look into the dead letter queue and bring tasks back from it."""


@dlq.command("list")
@click.option("-t", "--type", help="Only this task type.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=50, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tasks(type: str | None, limit: int, *, as_json: bool) -> None:
    """Show DEAD tasks, the newest first."""
    if type is not None:
        try:
            check_type(type)
        except ValueError as error:
            raise InvalidOperation(str(error)) from None

    async def work(app: Shoal) -> list[Task]:
        broker = await app.broker()
        page = await broker.list_tasks(State.DEAD, type=type, limit=limit)
        found = await broker.inspect([row.id for row in page.rows])
        return [app.view(task) for task in found if task is not None and task.state == "DEAD"]

    tasks = with_app(work)
    if as_json:
        print_json({"tasks": [task.to_json() for task in tasks]})
        return
    print_table(
        ("id", "type", "died", "reason", "attempts", "error"),
        [
            (
                task.id,
                task.type,
                format_time(task.completed_at),
                task.reason,
                task.attempts,
                _error(task),
            )
            for task in tasks
        ],
        "no task is DEAD",
    )


@dlq.command()
@click.option("--most", type=click.IntRange(1), default=GROUPED, help="Of how many per partition.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def groups(most: int, *, as_json: bool) -> None:
    """Show what the DEAD tasks died of, the largest group first."""

    async def work(app: Shoal) -> DeadGroups:
        return await (await app.broker()).dead_groups(most)

    found = with_app(work)
    documents = [group.to_json() for group in found.groups]
    if as_json:
        print_json({"groups": documents, "counted": found.counted})
        return
    print_table(
        ("tasks", "type", "reason", "fingerprint", "newest", "oldest", "example"),
        [tuple(document.values()) for document in documents],
        "no task is DEAD",
    )


@dlq.command()
@selecting
@click.option("--all", "is_all", is_flag=True, help="All DEAD tasks.")
def requeue(*, is_all: bool, **chosen: Unpack[Chosen]) -> None:
    """Make the DEAD tasks with these IDS, or that fit the options, ready again."""
    _only_dead(chosen, is_all=is_all)
    run_move(BulkVerb.REQUEUE, **chosen)


@dlq.command()
@selecting
@click.option("--all", "is_all", is_flag=True, help="All DEAD tasks.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(*, is_all: bool, yes: bool, **chosen: Unpack[Chosen]) -> None:
    """Forget the DEAD tasks with these IDS, or that fit the options, for ever.

    What ended less than SHOAL_TOMBSTONE ago stays.
    """
    _only_dead(chosen, is_all=is_all)
    run_move(BulkVerb.DELETE, question="Delete {} for ever?", is_sure=yes, **chosen)


def _only_dead(chosen: Chosen, *, is_all: bool) -> None:
    """Select DEAD tasks, but never all of them by leaving everything out."""
    filters = (chosen["type"], chosen["fingerprint"], chosen["queue"], chosen["since"])
    if not chosen["ids"] and not chosen["state"]:
        if not is_all and chosen["until"] is None and not any(filters):
            raise InvalidOperation("name tasks, give a filter such as --type, or --all")
        chosen["state"] = (State.DEAD.value,)


def _error(task: Task) -> str | None:
    error = task.error if isinstance(task.error, dict) else {}
    words = ": ".join(str(error[name]) for name in ("type", "message") if name in error)
    return words[:80] or None
