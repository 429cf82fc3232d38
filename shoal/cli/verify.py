"""``shoal verify``: whether everything in Redis is where it must be."""

from __future__ import annotations

import click

from shoal.app import Shoal
from shoal.broker.verify_report import Report
from shoal.cli.client import with_app
from shoal.cli.output import print_json
from shoal.errors import ExitStatus


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(*, as_json: bool) -> int:
    """Check every task, entry, index and counter, and print what is wrong. Changes nothing."""

    async def work(app: Shoal) -> Report:
        from shoal.broker.verify import verify as walk

        return await walk(await app.broker())

    report = with_app(work)
    if as_json:
        print_json(report.as_dict())
    else:
        for line in report.lines():
            click.echo(line)
    return ExitStatus.OK if report.ok else ExitStatus.VERIFY_FAILED
