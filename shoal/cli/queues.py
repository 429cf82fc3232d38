"""``shoal queues``: how much waits, and where."""

from __future__ import annotations

import click

from shoal.app import Shoal
from shoal.broker.results import QueueDepth
from shoal.cli.client import with_app
from shoal.cli.output import print_json, print_table
from shoal.model.priority import Priority


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def queues(*, as_json: bool) -> None:
    """Show the depth of every queue and priority, and how many tasks stand in each state."""

    async def work(app: Shoal) -> tuple[list[QueueDepth], dict[str, int]]:
        broker = await app.broker()
        return await broker.queues(), await broker.counts_by_state()

    depths, states = with_app(work)
    if as_json:
        print_json(
            {
                "queues": [
                    {
                        "queue": row.queue,
                        "priority": Priority(row.priority).name,
                        "depth": row.ready,
                        "returned": row.returned,
                        "isolated": row.isolated,
                        "paused": row.paused,
                    }
                    for row in depths
                ],
                "states": states,
            }
        )
        return
    print_table(
        ("queue", "priority", "depth", "returned", "isolated", "paused"),
        [
            (
                row.queue,
                Priority(row.priority).name,
                row.ready,
                row.returned,
                row.isolated,
                row.paused,
            )
            for row in depths
        ],
        "no queue yet: nothing was ever submitted",
    )
    if depths:
        click.echo()
        print_table(("state", "tasks"), list(states.items()), "")
