"""``shoal workers``: who is alive; pause, resume and shut one down."""

from __future__ import annotations

import click

from shoal.app import Shoal
from shoal.cli.audit import note
from shoal.cli.client import with_app
from shoal.cli.output import print_json, print_table
from shoal.errors import ExitStatus, InvalidOperation
from shoal.model.worker import WorkerRecord

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@_JSON
@click.pass_context
def workers(context: click.Context, *, as_json: bool) -> None:
    """Show the live workers: one is one shard, a process.

    With a command: pause one, resume it, or shut it down.
    """
    if context.invoked_subcommand is None:
        _show(as_json=as_json)


def _show(*, as_json: bool) -> None:
    async def work(app: Shoal) -> list[WorkerRecord]:
        from shoal.broker.registry import Registry

        return await Registry(await app.broker()).live()

    records = sorted(with_app(work), key=lambda record: record.id)
    if as_json:
        print_json({"workers": [record.to_json() for record in records]})
        return
    print_table(
        ("worker", "state", "tasks", "of", "processed", "failed", "host", "pid", "MiB", "queues"),
        [
            (
                record.id,
                " ".join((record.state.value, *(f"({why})" for why in record.throttled))),
                record.current_tasks,
                record.concurrency,
                record.processed_count,
                record.failed_count,
                record.host,
                record.pid,
                record.memory_bytes >> 20,
                ",".join(record.queues) or "all",
            )
            for record in records
        ],
        "no worker is alive; start one: shoal worker MODULE:APP",
    )


@workers.command()
@click.argument("id")
@_JSON
def pause(id: str, *, as_json: bool) -> int:
    """Let the worker ID claim nothing until it is resumed; what runs goes on. Kept over its restarts."""
    return _wish(id, "paused", "pause", as_json=as_json)


@workers.command()
@click.argument("id")
@_JSON
def resume(id: str, *, as_json: bool) -> int:
    """Let the worker ID claim again."""
    return _wish(id, "", "resume", as_json=as_json)


@workers.command()
@click.argument("id")
@_JSON
def shutdown(id: str, *, as_json: bool) -> int:
    """Let the worker ID finish what runs, hand back the rest and end; it is not started again."""
    return _wish(id, "shutdown", "shutdown", as_json=as_json)


def _wish(name: str, desired: str, verb: str, *, as_json: bool) -> int:
    async def work(app: Shoal) -> str:
        from shoal.broker.registry import Registry

        status = await Registry(await app.broker()).wish(name, desired)
        if status in ("changed", "same"):
            await note(app, f"worker.{verb}", name, changed=status == "changed")
        return status

    status = with_app(work)
    if status == "shutting_down":
        raise InvalidOperation(f"{name} was told to shut down, which is not taken back")
    if status == "not_found":
        click.echo(f"no live worker is called {name!r:.80}: shoal workers shows them", err=True)
        return ExitStatus.TASK_NOT_FOUND
    if as_json:
        print_json({"id": name, "desired": desired or None, "changed": status == "changed"})
    else:
        click.echo(f"{name}: {verb}, from its next heartbeat on")
    return ExitStatus.OK
