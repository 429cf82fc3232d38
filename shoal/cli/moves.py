"""``shoal cancel``, ``requeue``, ``delete`` and ``duplicate``: moves of tasks by operators."""

from __future__ import annotations

from typing import Any, Unpack

import click
import msgspec

from shoal.app import Shoal
from shoal.cli.client import with_app
from shoal.cli.output import print_json
from shoal.cli.selecting import Chosen, run_move, selecting
from shoal.codec import check_payload
from shoal.duplicate import SAME
from shoal.model.selection import BulkVerb


@click.command()
@selecting
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-r", "--reason", default="requested", help="Shown with the tasks.")
def cancel(*, yes: bool, reason: str, **chosen: Unpack[Chosen]) -> None:
    """Cancel the tasks with these IDS, or all that fit the options.

    What waits is CANCELLED at once; what runs is asked to stop.
    """
    is_sure = yes or bool(chosen["ids"])
    run_move(BulkVerb.CANCEL, question="Cancel {}?", is_sure=is_sure, reason=reason, **chosen)


@click.command()
@selecting
def requeue(**chosen: Unpack[Chosen]) -> None:
    """Make the DEAD, FAILED or CANCELLED tasks with these IDS, or that fit the options, ready again.

    Their attempts are counted anew. A COMPLETED task can be duplicated instead.
    """
    run_move(BulkVerb.REQUEUE, **chosen)


@click.command()
@selecting
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete(*, yes: bool, **chosen: Unpack[Chosen]) -> None:
    """Forget ended tasks before their retention has passed: those with these IDS, or that fit.

    What ended less than SHOAL_TOMBSTONE ago stays.
    """
    run_move(BulkVerb.DELETE, question="Delete {} for ever?", is_sure=yes, **chosen)


@click.command()
@click.argument("id")
@click.argument("payload", metavar="[JSON]", required=False)
@click.option("--new-id", help="The copy's id; repeating the command with it is safe.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def duplicate(id: str, payload: str | None, new_id: str | None, *, as_json: bool) -> None:
    """Submit a copy of the task with this ID, with JSON as its payload if given.

    Prints the copy's id.
    """

    async def work(app: Shoal) -> str:
        copied: Any = SAME
        if payload is not None:
            raw = payload.encode("utf-8", "surrogateescape")
            check_payload(raw, app.settings.task.max_payload_bytes)
            copied = msgspec.Raw(raw.strip())
        return (await app.duplicate(app.handle(id).id, copied, new_id=new_id)).id

    copy = with_app(work)
    if as_json:
        print_json({"id": copy, "copy_of": id.lower()})
    else:
        click.echo(copy)
