"""Writes docs/metrics.md from the metrics that the code defines.

Without an argument the page is written; with ``--check`` it is compared, and the exit status is 1
if the committed page differs.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from shoal.api.cluster import Overview, Scrape
from shoal.api.cluster_metrics import ClusterCollector
from shoal.api.metrics import HttpMetrics
from shoal.settings.task import LimitSettings
from shoal.supervisor.board import Board
from shoal.supervisor.collectors import HostCollector, PageCollector
from shoal.telemetry import metrics
from shoal.telemetry.build import BuildCollector

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"

HEAD = """\
<!-- Made by scripts/metrics_page.py from the code; change the help texts there instead. -->
# Metrics

Three places tell them, in the text format of Prometheus:

* **each worker host**, at `/metrics` of `SHOAL_METRICS_PORT`, for the shards of that host. Shards write by
  *slot* into shared files, so a total goes on where it stood when a shard is restarted, and gauges go with
  their process. What a shard counted within its last second is lost when it is killed;
* **the API**, at `/metrics` of both ports, for the API processes of that host (needs a key unless
  `SHOAL_METRICS_PUBLIC`);
* **the API**, for the whole deployment, read from Redis at each scrape. Every API host gives the same, so
  over several of them take the maximum: `max by (queue, priority) (shoal_queue_depth)`, never the sum.
  Nothing of it comes from worker hosts, so it is counted once. What is called `recorded` or `settled` was
  counted by Redis in the very step that did it: it is exact over kills and restarts, where the hosts'
  counters are quick and may miss a second.

`METRICS_ENABLED=false` leaves the third only, and of a worker host what its supervisor knows.

Labels are bounded: `type` has at most `SHOAL_MAX_TYPES` values and one more, `other`; a `route` is the pattern
of an address; `server` is one of the deployment's Redis servers. No label holds an id, a key or an address of
a client. Known types are there at 0 before their first task, so that `rate()` sees it.

Alert rules and dashboards: [alerts](howto/alerts.md).
"""


def families() -> dict[str, list[Metric]]:
    """All metrics by where they are told."""
    host = CollectorRegistry()
    metrics.Metrics(host, 1)
    board = Board(1, 1)
    board.page(0)
    api = HttpMetrics()
    empty = Scrape(Overview(0, [], {}, {}, {}), {}, [], [], 0.0)
    return {
        "A worker host": [
            *_described(host),
            *PageCollector(board).collect(),
            *HostCollector(board).collect(),
            *BuildCollector().collect(),
        ],
        "The API processes of a host": [*_described(api.registry), *BuildCollector().collect()],
        "The whole deployment, from the API": [
            *ClusterCollector(empty, LimitSettings()).collect(),
        ],
    }


def _described(registry: CollectorRegistry) -> Iterable[Metric]:
    """Each metric of a registry with its label names, whether or not it has a value yet."""
    for collector in registry._collector_to_names:  # noqa: SLF001 - labels are told nowhere else
        for metric in collector.collect():
            metric.label_names = getattr(collector, "_labelnames", ())  # type: ignore[attr-defined]
            yield metric


def _labels(metric: Metric) -> tuple[str, ...]:
    return tuple(getattr(metric, "label_names", getattr(metric, "_labelnames", ())))


def _name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def page() -> str:
    """The whole page, as Markdown."""
    lines = [HEAD]
    for where, found in families().items():
        lines += [
            f"## {where}",
            "",
            "| name | kind | labels | meaning |",
            "| --- | --- | --- | --- |",
        ]
        for metric in sorted(found, key=_name):
            labels = ", ".join(f"`{label}`" for label in _labels(metric))
            lines.append(
                f"| `{_name(metric)}` | {metric.type} | {labels} | {metric.documentation} |"
            )
        lines.append("")
    return "\n".join(lines)


def names() -> set[str]:
    """What a query may name: of a histogram all its series."""
    out = set()
    for metric in (metric for found in families().values() for metric in found):
        name = _name(metric)
        series = [f"{name}_{part}" for part in ("bucket", "count", "sum")]
        out.update(series if metric.type == "histogram" else [name])
    return out


def main() -> int:
    """Write the page, or compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.read_text() == page():
        return 0
    print(f"{PAGE.name} is out of date: run scripts/metrics_page.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
