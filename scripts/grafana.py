"""Writes the two dashboards of deploy/grafana/ from the tables below.

Without an argument the files are written; with ``--check`` they are compared, and the exit status is
1 if a committed one differs.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """One chart: title, unit as Grafana calls it, expression, legend, and what it says."""

    title: str
    unit: str
    expr: str
    legend: str
    about: str
    #: From where on it is bad, as the alert rules have it; None = nowhere.
    limit: float | None = None


def _p95(name: str, by: str) -> str:
    rate = f"rate({name}_bucket[$__rate_interval])"
    return f"histogram_quantile(0.95, sum by (le, {by}) ({rate}))"


_TYPE = '{type=~"$type"}'
_FAILED = 'rate(shoal_tasks_completed_total{status=~"FAILED|DEAD",type=~"$type"}[$__rate_interval])'

SERVICE = (
    Panel(
        "Submitted",
        "ops",
        "sum by (type) (max by (type) "
        '(rate(shoal_tasks_recorded_total{event="submitted",type=~"$type"}[$__rate_interval])))',
        "{{type}}",
        "Accepted tasks a second, counted by Redis.",
    ),
    Panel(
        "Runs ended",
        "ops",
        f"sum by (type) (rate(shoal_tasks_completed_total{_TYPE}[$__rate_interval]))",
        "{{type}}",
        "Runs that ended a second, whatever their outcome.",
    ),
    Panel(
        "Failures",
        "percentunit",
        f"sum by (type) ({_FAILED}) / sum by (type) (rate(shoal_tasks_completed_total{_TYPE}[$__rate_interval]))",
        "{{type}}",
        "Share of runs that failed.",
        0.05,
    ),
    Panel(
        "Duration, P95",
        "s",
        _p95("shoal_task_duration_seconds", "type"),
        "{{type}}",
        "How long handlers run.",
    ),
    Panel(
        "Pickup, P95",
        "s",
        _p95("shoal_task_pickup_seconds", "priority"),
        "{{priority}}",
        "How long ready tasks wait for a worker.",
        0.1,
    ),
    Panel(
        "Dead letters",
        "short",
        "max(shoal_dlq_size)",
        "DEAD",
        "Tasks that will not run again by themselves.",
        1,
    ),
    Panel(
        "Tasks by state",
        "short",
        "max by (state) (shoal_tasks)",
        "{{state}}",
        "All tasks that Redis keeps.",
    ),
    Panel(
        "HTTP requests",
        "reqps",
        "sum by (status) (rate(shoal_http_requests_total[$__rate_interval]))",
        "{{status}}",
        "Requests answered by the API.",
    ),
)
RESOURCES = (
    Panel(
        "Slots",
        "short",
        "max by (state) (shoal_worker_slots)",
        "{{state}}",
        "Busy and free, over all workers.",
    ),
    Panel(
        "Utilisation",
        "percentunit",
        "avg by (instance) (shoal_worker_utilization_ratio)",
        "{{instance}}",
        "Busy slots of each host.",
    ),
    Panel(
        "Depth",
        "short",
        "max by (queue, priority) (shoal_queue_depth)",
        "{{queue}} {{priority}}",
        "Tasks that wait to be claimed.",
    ),
    Panel(
        "Oldest task",
        "s",
        "max by (queue, priority) (shoal_oldest_task_age_seconds)",
        "{{queue}} {{priority}}",
        "Age of what has waited longest.",
        60,
    ),
    Panel(
        "Event loop lag, P95",
        "s",
        _p95("shoal_event_loop_lag_seconds", "instance"),
        "{{instance}}",
        "How late the loops of shards are.",
        0.1,
    ),
    Panel(
        "Calls to Redis, P95",
        "s",
        _p95("shoal_redis_call_seconds", "verb"),
        "{{verb}}",
        "By verb, a whole batch each.",
        0.005,
    ),
    Panel(
        "Redis memory",
        "bytes",
        "max by (server) (shoal_redis_memory_bytes)",
        "{{server}}",
        "Of each server.",
    ),
    Panel(
        "Ends of shards",
        "ops",
        "sum by (reason) (rate(shoal_shard_exits_total[$__rate_interval]))",
        "{{reason}}",
        "Killed, crashed, failed to start, or clean.",
    ),
    Panel(
        "Outcomes refused",
        "ops",
        "sum by (reason) (rate(shoal_outcomes_refused_total[$__rate_interval])) or vector(0)",
        "{{reason}}",
        "stale = a task ran twice at once.",
    ),
)


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"h": 8, "w": 8, "x": 8 * (place % 3), "y": 8 * (place // 3)},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "calcs": ["lastNotNull", "max"],
            }
        },
        "targets": [
            {"refId": "A", "datasource": _SOURCE, "expr": panel.expr, "legendFormat": panel.legend}
        ],
    }


def dashboard(uid: str, title: str, panels: tuple[Panel, ...]) -> str:
    """A dashboard as Grafana provisions it."""
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {
            "name": "type", "type": "query", "datasource": _SOURCE, "multi": True, "includeAll": True,
            "allValue": ".*", "query": "label_values(shoal_tasks_recorded_total, type)", "refresh": 2,
        },
    ]  # fmt: skip
    document = {
        "uid": uid,
        "title": title,
        "tags": ["shoal"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables},
        "links": [{"type": "dashboards", "tags": ["shoal"], "title": "Shoal", "asDropdown": True}],
        "panels": [_panel(place, panel) for place, panel in enumerate(panels)],
    }
    return json.dumps(document, indent=1) + "\n"


FILES = {
    FOLDER / "shoal-service.json": dashboard("shoal-service", "Shoal: service (RED)", SERVICE),
    FOLDER / "shoal-resources.json": dashboard(
        "shoal-resources", "Shoal: resources (USE)", RESOURCES
    ),
}


def main() -> int:
    """Write the files, or compare them."""
    if "--check" not in sys.argv[1:]:
        for path, content in FILES.items():
            path.write_text(content)
        return 0
    late = [path.name for path, content in FILES.items() if path.read_text() != content]
    if late:
        print(f"{', '.join(late)}: out of date, run scripts/grafana.py")
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
