"""``shoal verify``: is everything where it must be?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shoal.app import Shoal
from shoal.cli.client import with_app
from shoal.cli.output import print_json
from shoal.errors import ExitStatus

if TYPE_CHECKING:
    from shoal.broker.verify_report import Report


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(*, as_json: bool) -> int:
    """Check every key and say what cannot be right; nothing is changed.

    Works beside live workers. The exit status is 1 when something was found, or when a
    partition could not be read.
    """

    async def work(app: Shoal) -> Report:
        from shoal.broker.verify import verify as check

        return await check(await app.broker())

    report = with_app(work)
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo("\n".join(report.lines()))
    return ExitStatus.OK if report.ok else ExitStatus.VERIFY_FAILED
