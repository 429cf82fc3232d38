"""``shoal autoscale``: how many workers there should be."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from shoal.app import Shoal
from shoal.cli.client import with_app
from shoal.cli.output import print_json
from shoal.clock import mono_s
from shoal.errors import InvalidOperation
from shoal.model.autoscale import FORMULA, Load, advise


@click.command()
@click.option("--min", "least", type=click.IntRange(0), default=1, help="Never fewer; default 1.")
@click.option("--max", "most", type=click.IntRange(1), default=100, help="Never more; 100.")
@click.option(
    "--drain", type=click.FloatRange(1), default=60.0, help="Seconds to drain what waits; 60."
)
@click.option(
    "--over", type=click.FloatRange(0.5, 600), default=5.0, help="Seconds to measure over; 5."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def autoscale(*, least: int, most: int, drain: float, over: float, as_json: bool) -> None:
    """Measure what comes in, waits and runs, and say how many workers (shards) there should be."""
    if least > most:
        raise InvalidOperation(f"--min ({least}) must be at most --max ({most})")

    async def work(app: Shoal) -> Load:
        return await measured(app, over)

    load = with_app(work)
    advice = advise(load, least=least, most=most, target_drain_s=drain)
    document: dict[str, Any] = {
        "desired_workers": advice.desired_workers,
        "reason": advice.reason,
        "workers": load.workers,
        "backlog": load.backlog,
        "arrival_rate": round(load.arrival_rate, 3),
        "mean_run": round(load.mean_run, 6),
        "drain_seconds": None if load.drain_s is None else round(load.drain_s, 1),
        "utilisation": round(load.utilisation, 3),
        "slots": load.slots,
        "target_drain": drain,
        "formula": FORMULA,
    }
    if as_json:
        print_json(document)
        return
    width = max(map(len, document))
    for name, value in document.items():
        click.echo(f"{name.ljust(width)}  {'never' if value is None else value}")


async def measured(app: Shoal, over_s: float) -> Load:
    """The load of all workers, its rates over so many seconds.

    Raises:
        BrokerUnavailable: Redis is away.
    """
    from shoal.broker.registry import Registry

    broker = await app.broker()
    began_s, before = mono_s(), await broker.stats()
    await asyncio.sleep(over_s)
    records, queues, after = await asyncio.gather(
        Registry(broker).live(), broker.queues(), broker.stats()
    )
    seconds = mono_s() - began_s
    slots = sum(record.concurrency for record in records)
    busy = sum(max(record.utilisation * record.concurrency, 0.0) for record in records)
    return Load(
        workers=len(records),
        slots=slots / len(records) if records else float(app.settings.worker.concurrency),
        # What operators paused is nobody's to run.
        backlog=sum(row.ready + row.isolated for row in queues if not row.paused),
        arrival_rate=_risen("submitted/", before, after) / seconds,
        settle_rate=_risen("settled/", before, after) / seconds,
        utilisation=busy / slots if slots else 0.0,
    )


def _risen(kind: str, before: dict[str, int], after: dict[str, int]) -> int:
    """How far these counters have risen; after a failover they may be lower, which is no negative rate."""
    return sum(
        max(0, value - before.get(field, 0))
        for field, value in after.items()
        if field.startswith(kind)
    )
