"""The dashboards: every expression against a real Prometheus that scraped a running system."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from scripts.grafana import FILES, RESOURCES, SERVICE, Panel
from scripts.metrics_page import names
from tests.chaos.host import Host
from tests.support.api import running_api
from tests.support.ledger import Ledger
from tests.support.ports import reserve_port
from tests.support.processes import ChildProcess
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

PANELS = (*SERVICE, *RESOURCES)


def test_the_files_are_what_the_script_writes() -> None:
    """Both dashboards are those of the tables, and name only metrics that there are."""
    for path, content in FILES.items():
        assert path.read_text() == content, f"run scripts/grafana.py: {path}"
    for panel in PANELS:
        assert set(re.findall(r"\bshoal_\w+", panel.expr)) <= names()


def _series(port: int, panel: Panel) -> int:
    expr = panel.expr.replace("$__rate_interval", "10s").replace("$type", ".*")
    query = urllib.parse.urlencode({"query": expr})
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=5
        ) as answer:
            return len(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 503:  # it starts
                raise AssertionError(error.read()) from None
        return 0
    except (ConnectionError, urllib.error.URLError):
        return 0


async def test_every_chart_shows_something(redis7: RedisServer, tmp_path: Path) -> None:
    """An API and a worker host that did some work: no chart of either dashboard is empty."""
    ledger = Ledger(tmp_path / "ledger")
    env = {"SHOAL_NAMESPACE": "t", "SHOAL_PARTITIONS": "8", "SHOAL_METRICS_PUBLIC": "true"}
    with (
        reserve_port() as worker_port,
        reserve_port() as port,
        running_api(redis7.url, env=env) as api,
        Host(redis7.url, ledger, SHOAL_METRICS_PORT=worker_port.port) as host,
    ):
        await host.ready()
        for _ in range(20):
            api.submit("work", 0.01)
        jobs = [
            {
                "job_name": "shoal-api",
                "static_configs": [{"targets": [f"127.0.0.1:{api.ports.public}"]}],
            },
            {
                "job_name": "shoal-worker",
                "static_configs": [{"targets": [f"127.0.0.1:{worker_port.port}"]}],
            },
        ]
        (tmp_path / "p.yml").write_text(
            json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs})
        )
        command = [
            "prometheus",
            f"--config.file={tmp_path / 'p.yml'}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port.port}",
        ]
        with ChildProcess(command):
            for panel in PANELS:
                wait_until(
                    lambda panel=panel: _series(port.port, panel),  # type: ignore[misc]
                    f"{panel.title} shows something",
                    30,
                )
