"""``shoal task``: everything that is known of one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from shoal.app import Shoal
from shoal.cli.client import with_app
from shoal.cli.output import print_json, print_table
from shoal.model.duration import format_duration
from shoal.model.task import Task, format_time


@click.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def task(id: str, *, as_json: bool) -> None:
    """Show the task with this ID: its state, result, error and attempts."""

    async def work(app: Shoal) -> Task:
        return await app.handle(id).task()

    found = with_app(work)
    if as_json:
        print_json(found.to_json())
        return
    width = max(len(name) for name, _ in _lines(found))
    for name, value in _lines(found):
        click.echo(f"{name.ljust(width)}  {value}")
    if found.log:
        click.echo()
        print_table(
            ("attempt", "at", "level", "message"),
            [(line.attempt, format_time(line.at), line.level, line.message) for line in found.log],
            "",
        )
    if found.history:
        click.echo()
        print_table(
            ("attempt", "worker", "started", "seconds", "outcome", "error"),
            [
                (
                    attempt.number,
                    attempt.worker_id,
                    format_time(attempt.started_at),
                    round(attempt.duration, 6),
                    attempt.outcome,
                    attempt.error,
                )
                for attempt in found.history
            ],
            "",
        )


def _lines(found: Task) -> list[tuple[str, str]]:
    lines: list[tuple[str, Any]] = [
        ("id", found.id),
        ("type", found.type),
        ("state", found.state.value),
        ("reason", found.reason),
        ("queue", found.queue),
        ("priority", found.priority.name),
        ("created", format_time(found.created_at)),
        ("scheduled for", format_time(found.scheduled_at)),
        ("started", format_time(found.started_at)),
        ("completed", format_time(found.completed_at)),
        ("worker", found.worker_id),
        ("attempts", found.attempts),
        ("timeout", format_duration(found.timeout)),
        ("progress", _progress(found.progress)),
        ("payload", _json(found.payload)),
        ("metadata", _json(found.metadata) if found.metadata else None),
        ("result", _json(found.result) if found.state.value == "COMPLETED" else None),
        ("error", _json(found.error) if found.error is not None else None),
    ]
    return [(name, str(value)) for name, value in lines if value is not None]


def _progress(progress: Mapping[str, Any] | None) -> str | None:
    """``40 %: 4 of 10: reading`` as far as it was given."""
    if progress is None:
        return None
    parts = [f"{progress.get('fraction', 0):.0%}".replace("%", " %")]
    if "total" in progress:
        parts.append(f"{progress['current']:g} of {progress['total']:g}")
    if "message" in progress:
        parts.append(str(progress["message"]))
    return ": ".join(parts)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
