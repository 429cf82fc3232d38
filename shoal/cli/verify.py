"""``shoal verify``: is everything where it must be?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal.app import Shoal
from shoal.cli.client import with_app
from shoal.cli.output import print_json
from shoal.errors import ExitStatus

if TYPE_CHECKING:
    from shoal.broker.repair import Repair
    from shoal.broker.verify_report import Report


@click.command()
@click.option("--repair", "is_repair", is_flag=True, help="Mend what has one right answer.")
@click.option("--dry-run", is_flag=True, help="With --repair: only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(*, is_repair: bool, dry_run: bool, as_json: bool) -> int:
    """Check every key and say what cannot be right; without --repair nothing is changed.

    Works beside live workers. The exit status is 1 when something was found, or with --repair
    when something is left, or when a partition could not be read.
    """
    if dry_run and not is_repair:
        raise click.UsageError("--dry-run says what a repair would do: add --repair")

    async def work(app: Shoal) -> Report | Repair:
        from shoal.broker.repair import repair
        from shoal.broker.verify import verify as check

        broker = await app.broker()
        return await repair(broker, dry_run=dry_run) if is_repair else await check(broker)

    report = with_app(work)
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo("\n".join(report.lines()))
    return ExitStatus.OK if report.ok else ExitStatus.VERIFY_FAILED
