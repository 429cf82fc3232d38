"""``shoal audit``: what operators did."""

from __future__ import annotations

import click
import msgspec

from shoal.app import Shoal
from shoal.broker.audit import MAX_READ, AuditEntry, AuditLog
from shoal.cli.client import with_app
from shoal.cli.output import print_json, print_table
from shoal.model.task import format_time, from_unix_ms


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1, MAX_READ), default=50, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(limit: int, *, as_json: bool) -> None:
    """Show what operators did, over HTTP and by commands, newest first."""

    async def work(app: Shoal) -> list[AuditEntry]:
        return await AuditLog(await app.broker()).read(limit)

    entries = with_app(work)
    if as_json:
        documents = [
            {
                "id": entry.id,
                "at": format_time(from_unix_ms(entry.at_ms)),
                "target": "",
                "outcome": "done",
                "detail": {},
                **msgspec.to_builtins(entry.record),
            }
            for entry in entries
        ]
        print_json({"entries": documents})
        return
    print_table(
        ("at", "who", "action", "target", "outcome", "detail"),
        [
            (
                format_time(from_unix_ms(entry.at_ms)),
                entry.record.who,
                entry.record.action,
                entry.record.target,
                entry.record.outcome,
                msgspec.json.encode(entry.record.detail).decode()[:120],
            )
            for entry in entries
        ],
        "nothing yet",
    )
