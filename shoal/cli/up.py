"""``shoal up``: everything on this host, with a Valkey of its own unless REDIS_URL is set."""

from __future__ import annotations

from pathlib import Path

import click

from shoal.cli.worker import worker_options, worker_settings
from shoal.loading import parse_spec


@click.command()
@worker_options
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path(".shoal"),
    show_default=True,
    help="Where the embedded Valkey keeps its data.",
)
def up(
    app: str,
    shards: str | None,
    concurrency: str | None,
    queues: str | None,
    data_dir: Path,
    *,
    burst: bool,
) -> int:
    """Run MODULE:APP with all it needs, until SIGTERM or Ctrl-C.

    Without REDIS_URL a Valkey server is started for it, which keeps its data in the data
    directory: what was accepted is there again at the next start.
    """
    parse_spec(app)
    settings = worker_settings(shards, concurrency, queues, burst=burst)
    if settings.redis.url is not None:
        from shoal.supervisor.main import run

        return run(settings, app)
    from shoal.cli.embedded_host import EmbeddedHost

    return EmbeddedHost(settings, app, data_dir).run()
