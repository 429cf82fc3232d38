"""``shoal api``: the HTTP doors, on a Redis that runs elsewhere."""

from __future__ import annotations

import click

from shoal.config import Settings
from shoal.loading import parse_spec


@click.command()
@click.argument("app", metavar="[MODULE:APP]", required=False)
@click.option(
    "-p",
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that share the ports.",
)
@click.option("--api-port", metavar="PORT", help="Of clients; default API_PORT.")
@click.option("--admin-port", metavar="PORT", help="Of operators; default ADMIN_PORT.")
def api(app: str | None, processes: int, api_port: str | None, admin_port: str | None) -> int:
    """Serve the HTTP API until SIGTERM or Ctrl-C.

    With MODULE:APP only its task types are accepted, with their defaults; without, any
    well-formed name is. API_KEY must be set.
    """
    if app is not None:
        parse_spec(app)

    def read() -> Settings:
        return Settings.from_environment().replace(
            api__api_port=api_port, api__admin_port=admin_port
        )

    settings = read()
    if processes == 1:
        from shoal.api.main import run

        return run(settings, app, reread=read)
    from shoal.cli.api_processes import ApiProcesses

    return ApiProcesses(settings, app, processes, reread=read).run()
