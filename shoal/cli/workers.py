"""``shoal workers``: who is alive."""

from __future__ import annotations

import click

from shoal.app import Shoal
from shoal.cli.client import with_app
from shoal.cli.output import print_json, print_table
from shoal.model.worker import WorkerRecord


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def workers(*, as_json: bool) -> None:
    """Show the live workers: one is one shard, a process."""

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
