"""``shoal partition``: stop one slice of the keyspace, to move it to another Redis server."""

from __future__ import annotations

import click

from shoal.app import Shoal
from shoal.broker.broker import Broker
from shoal.cli.audit import note
from shoal.cli.client import with_app
from shoal.errors import InvalidTask


@click.group()
def partition() -> None:
    """Pause and resume one partition."""


@partition.command()
@click.argument("number", type=int)
def pause(number: int) -> None:
    """Refuse all work on partition NUMBER until it is resumed: submissions go to others."""

    async def work(app: Shoal) -> None:
        await (await _having(app, number)).pause_partition(number)
        await note(app, "partition.pause", str(number))

    with_app(work)
    click.echo(f"partition {number} is paused; when it has moved: shoal partition resume {number}")


@partition.command()
@click.argument("number", type=int)
def resume(number: int) -> None:
    """Let partition NUMBER work again."""

    async def work(app: Shoal) -> None:
        await (await _having(app, number)).resume_partition(number)
        await note(app, "partition.resume", str(number))

    with_app(work)
    click.echo(f"partition {number} works again")


async def _having(app: Shoal, number: int) -> Broker:
    broker = await app.broker()
    if not 0 <= number < broker.partitions:
        raise InvalidTask(f"there is no partition {number}: they are 0 to {broker.partitions - 1}")
    return broker
