"""``shoal schedules``: tasks that are submitted again and again, by cron."""

from __future__ import annotations

import click
import msgspec

from shoal.app import Shoal
from shoal.broker.schedules import StoredSchedule
from shoal.cli.audit import note
from shoal.cli.client import with_app
from shoal.cli.confirm import confirm
from shoal.cli.output import print_json, print_table
from shoal.codec import check_payload
from shoal.model.cron import Missed
from shoal.schedules import document_of
from shoal.submission import SubmitOptions

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def schedules() -> None:
    """Show, add, pause, trigger and remove schedules."""


@schedules.command("list")
@_JSON
def list_all(*, as_json: bool) -> None:
    """Show all schedules, with their next and last ticks."""

    async def work(app: Shoal) -> list[StoredSchedule]:
        return await app.schedules.list()

    documents = [document_of(schedule) for schedule in with_app(work)]
    if as_json:
        print_json({"schedules": documents})
        return
    columns = ("id", "cron", "tz", "type", "missed", "source", "paused", "next", "last", "ticks")
    print_table(
        columns,
        [tuple(document[name] for name in columns) for document in documents],
        "no schedule yet: declare one with @app.cron, or shoal schedules add",
    )


@schedules.command()
@click.argument("id")
@click.argument("cron")
@click.argument("type")
@click.argument("payload", metavar="[JSON]", default="null")
@click.option("--tz", default="UTC", help="Time zone of the expression: Europe/Berlin.")
@click.option(
    "--missed",
    default=Missed.RUN_ONCE.value,
    help=f"Ticks while no worker was alive: {', '.join(Missed)}.",
)
@click.option("-p", "--priority", help="LOW, NORMAL, HIGH or CRITICAL.")
@click.option("-q", "--queue", help="Where workers find its tasks; default: default.")
@click.option("-t", "--timeout", help="How long one attempt may take: 30, 5m.")
@click.option("-r", "--max-retries", type=int, help="Retries after the first attempt.")
@_JSON
def add(
    id: str,
    cron: str,
    type: str,
    payload: str,
    tz: str,
    missed: str,
    priority: str | None,
    queue: str | None,
    timeout: str | None,
    max_retries: int | None,
    *,
    as_json: bool,
) -> None:
    """Submit a task of TYPE with JSON at each tick of CRON ("0 9 * * 1-5"), under the name ID."""
    raw = payload.encode("utf-8", "surrogateescape")
    options: SubmitOptions = {
        "priority": priority,
        "queue": queue,
        "timeout": timeout,
        "max_retries": max_retries,
    }

    async def work(app: Shoal) -> StoredSchedule:
        check_payload(raw, app.settings.task.max_payload_bytes)
        value = msgspec.Raw(raw.strip())
        await app.schedules.add(id, cron, type, value, tz=tz, missed=missed, **options)
        await note(app, "schedule.add", id, cron=cron, type=type)
        return next(s for s in await app.schedules.list() if s.record.id == id)

    document = document_of(with_app(work))
    if as_json:
        print_json(document)
    else:
        click.echo(f"{id}: the next tick is at {document['next']}")


@schedules.command()
@click.argument("id")
def pause(id: str) -> None:
    """Let the schedule ID not tick until it is resumed."""

    async def work(app: Shoal) -> bool:
        changed = await app.schedules.pause(id)
        await note(app, "schedule.pause", id, changed=changed)
        return changed

    click.echo(f"{id}: paused" if with_app(work) else f"{id}: was paused already")


@schedules.command()
@click.argument("id")
def resume(id: str) -> None:
    """Let the schedule ID tick again, from now on; what it missed meanwhile is not made up for."""

    async def work(app: Shoal) -> bool:
        changed = await app.schedules.resume(id)
        await note(app, "schedule.resume", id, changed=changed)
        return changed

    click.echo(f"{id}: resumed" if with_app(work) else f"{id}: was not paused")


@schedules.command()
@click.argument("id")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove(id: str, *, yes: bool) -> None:
    """Forget the schedule ID. One that is declared in code comes back when a worker starts: pause it."""
    confirm(f"Remove the schedule {id}?", is_sure=yes)

    async def work(app: Shoal) -> None:
        await app.schedules.remove(id)
        await note(app, "schedule.remove", id)

    with_app(work)
    click.echo(f"{id}: removed")


@schedules.command()
@click.argument("id")
@_JSON
def trigger(id: str, *, as_json: bool) -> None:
    """Submit one task of the schedule ID now, besides its ticks. Prints the task's id."""

    async def work(app: Shoal) -> str:
        task_id = await app.schedules.trigger(id)
        await note(app, "schedule.trigger", id, task=task_id)
        return task_id

    task_id = with_app(work)
    if as_json:
        print_json({"id": task_id, "schedule": id})
    else:
        click.echo(task_id)
