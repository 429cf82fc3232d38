"""``shoal up``: supervisor and API on this host, with a Valkey of its own unless REDIS_URL is set."""

from __future__ import annotations

from pathlib import Path

import click

from shoal.cli.worker import check_watching, worker_options, worker_settings
from shoal.config import Settings
from shoal.loading import parse_spec


@click.command()
@worker_options
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path(".shoal"),
    show_default=True,
    help="Where the embedded Valkey keeps its data, and the API's key is.",
)
@click.option("--api-port", metavar="PORT", help="Of the HTTP API; default API_PORT.")
@click.option("--admin-port", metavar="PORT", help="Of its operators; default ADMIN_PORT.")
def up(
    app: str,
    shards: str | None,
    concurrency: str | None,
    queues: str | None,
    data_dir: Path,
    api_port: str | None,
    admin_port: str | None,
    *,
    burst: bool,
    watch: bool,
) -> int:
    """Run MODULE:APP with all it needs, until SIGTERM or Ctrl-C.

    Without REDIS_URL a Valkey server is started for it, which keeps its data in the data
    directory: what was accepted is there again at the next start. The HTTP API is started too;
    without API_KEY a key is made, shown, and kept in the data directory.
    """
    parse_spec(app)
    if watch:
        check_watching()

    def read() -> Settings:
        return worker_settings(shards, concurrency, queues, burst=burst).replace(
            api__api_port=api_port, api__admin_port=admin_port
        )

    settings = read()
    from shoal.cli.host import Host

    return Host(settings, app, data_dir, reread=read, watch=watch).run()
