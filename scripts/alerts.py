"""Writes deploy/prometheus/alerts.yml, its promtool test and docs/howto/alerts.md from one table.

Without an argument the files are written; with ``--check`` they are compared, and the exit status is
1 if a committed one differs.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "deploy" / "prometheus"
PAGE = ROOT / "docs" / "howto" / "alerts.md"
RUNBOOK = "docs/howto/alerts.md"


class Alert(NamedTuple):
    """One rule, with series on which it fires and on which it does not.

    ``fires`` and ``rests`` map a series to its values in promtool's notation, a value a minute.
    """

    name: str
    severity: str
    expr: str
    wait: str
    summary: str
    runbook: str
    fires: dict[str, str]
    rests: dict[str, str]


_P95 = "histogram_quantile(0.95, sum by (le{by}) (rate({name}_bucket[5m])))"


def _p95(name: str, by: str = "") -> str:
    return _P95.replace("{by}", by).replace("{name}", name)


def _buckets(name: str, slow: str, fast: str, labels: str = "") -> dict[str, str]:
    """A histogram that grows: what is at most ``fast`` stays at 0, all is at most ``slow``."""
    return {
        f'{name}_bucket{{le="{fast}"{labels}}}': "0x60",
        f'{name}_bucket{{le="{slow}"{labels}}}': "0+60x60",
        f'{name}_bucket{{le="+Inf"{labels}}}': "0+60x60",
    }


def _quick(name: str, slow: str, fast: str, labels: str = "") -> dict[str, str]:
    series = _buckets(name, slow, fast, labels)
    return dict.fromkeys(series, "0+60x60")


_DEPTH = 'shoal_queue_depth{queue="default",priority="NORMAL"}'
_OLDEST = 'shoal_oldest_task_age_seconds{queue="default",priority="NORMAL"}'
_CAPACITY = 'shoal_queue_capacity{queue="default",priority="NORMAL"}'
_BY = "max by (queue, priority)"

ALERTS = (
    Alert(
        "ShoalPickupSlow", "warning", f"{_p95('shoal_task_pickup_seconds', ', priority')} > 0.1",
        "10m", "Tasks wait longer than 0.1 s for a worker (P95).",
        "Look at busy and free slots (`shoal_worker_slots`): none free = more workers or shards. Free ones "
        "= look at `shoal_throttled` and at the calls to Redis.",
        _buckets("shoal_task_pickup_seconds", "0.5", "0.1", ',priority="NORMAL"'),
        _quick("shoal_task_pickup_seconds", "0.5", "0.1", ',priority="NORMAL"'),
    ),
    Alert(
        "ShoalBacklogGrowing", "warning",
        f"deriv(({_BY} (shoal_queue_depth))[10m:1m]) > 0 and {_BY} (shoal_oldest_task_age_seconds) > 60",
        "10m", "A backlog grows, and its oldest task waits for more than a minute.",
        "More comes than is done. `shoal autoscale` says how many workers there should be.",
        {_DEPTH: "0+10x60", _OLDEST: "0+60x60"}, {_DEPTH: "600-10x60", _OLDEST: "0+60x60"},
    ),
    Alert(
        "ShoalQueueNearCapacity", "warning",
        f"{_BY} (shoal_queue_depth) / {_BY} (shoal_queue_capacity) > 0.8",
        "5m", "A queue is more than 80 % full; at 100 % submissions are refused.",
        "Add workers, or raise MAX_QUEUE_SIZE if Redis has the memory. A paused queue fills up too.",
        {_DEPTH: "900x60", _CAPACITY: "1000x60"}, {_DEPTH: "700x60", _CAPACITY: "1000x60"},
    ),
    Alert(
        "ShoalNoWorkers", "critical", "max(shoal_active_workers) == 0 "
        "and sum(max by (queue, priority) (shoal_queue_depth)) > 0",
        "2m", "Tasks wait and no worker lives.",
        "Look at the worker hosts: `systemctl status`, `shoal health`, their logs and exit statuses.",
        {"shoal_active_workers": "0x60", _DEPTH: "5x60"}, {"shoal_active_workers": "1x60", _DEPTH: "5x60"},
    ),
    Alert(
        "ShoalNotConsuming", "critical",
        "sum(max by (queue, priority) (rate(shoal_runs_settled_total[3m]))) == 0 "
        "and sum(max by (queue, priority) (shoal_queue_depth)) > 0",
        "3m", "Tasks wait and none is done.",
        "Paused (`shoal_queue_paused`, `shoal workers`)? Queues that no worker serves? Throttled? Handlers "
        "that take longer than three minutes and fill all slots are no fault.",
        {'shoal_runs_settled_total{queue="default",priority="NORMAL"}': "7x60", _DEPTH: "5x60"},
        {'shoal_runs_settled_total{queue="default",priority="NORMAL"}': "0+7x60", _DEPTH: "5x60"},
    ),
    Alert(
        "ShoalErrorRateHigh", "warning",
        'sum by (type) (rate(shoal_tasks_completed_total{status=~"FAILED|DEAD"}[5m])) '
        "/ sum by (type) (rate(shoal_tasks_completed_total[5m])) > 0.05 "
        'and sum by (type) (rate(shoal_tasks_completed_total{status=~"FAILED|DEAD"}[5m])) * 60 > 10',
        "5m", "More than 5 % of the runs of a type fail.",
        "`shoal dlq groups` and the dashboard show the errors by what is the same in them.",
        {
            'shoal_tasks_completed_total{type="mail",status="FAILED"}': "0+20x60",
            'shoal_tasks_completed_total{type="mail",status="COMPLETED"}': "0+80x60",
        },
        {
            'shoal_tasks_completed_total{type="mail",status="FAILED"}': "0+1x60",
            'shoal_tasks_completed_total{type="mail",status="COMPLETED"}': "0+80x60",
        },
    ),
    Alert(
        "ShoalDLQGrowing", "warning", "max(increase(shoal_dlq_added_total[15m])) > 0", "0m",
        "Tasks go to the dead letter queue.",
        "`shoal dlq groups` says what they died of; requeue them once that is mended.",
        {"shoal_dlq_added_total": "0+1x60"}, {"shoal_dlq_added_total": "3x60"},
    ),
    Alert(
        "ShoalDLQNotEmpty", "warning", "max(shoal_dlq_size) > 0", "1h",
        "Tasks have been in the dead letter queue for an hour.",
        "Somebody has to decide: `shoal dlq requeue` or `shoal delete`.",
        {"shoal_dlq_size": "1x90"}, {"shoal_dlq_size": "0x90"},
    ),
    Alert(
        "ShoalPoisonTask", "critical",
        'max by (type) (increase(shoal_tasks_recorded_total{event="crashed"}[10m])) > 0', "0m",
        "Tasks of a type kill the shard that runs them.",
        "They are set apart and tried alone; at SHOAL_MAX_CRASHES they are DEAD. Look for native code and "
        "memory; the supervisor's log names signal and task.",
        {'shoal_tasks_recorded_total{event="crashed",type="mail"}': "0+1x60"},
        {'shoal_tasks_recorded_total{event="crashed",type="mail"}': "2x60"},
    ),
    Alert(
        "ShoalShardCrashLoop", "critical",
        'sum by (instance) (increase(shoal_shard_exits_total{reason!="clean"}[10m])) > 3', "0m",
        "Shards of a host die again and again.",
        "`killed` = look for the OOM killer; `failed` = the log says why none can start; `crashed` = see "
        "ShoalPoisonTask.",
        {'shoal_shard_exits_total{instance="a",reason="crashed"}': "0+1x60"},
        {'shoal_shard_exits_total{instance="a",reason="clean"}': "0+1x60"},
    ),
    Alert(
        "ShoalStaleResults", "warning",
        'sum(increase(shoal_outcomes_refused_total{reason="stale"}[10m])) > 0', "0m",
        "Tasks ran twice at once: an outcome came from a worker that had lost its task.",
        "No result is wrong, but work was done twice. Hosts that freeze, or a SHOAL_LEASE that is too short?",
        {'shoal_outcomes_refused_total{reason="stale"}': "0+1x60"},
        {'shoal_outcomes_refused_total{reason="already"}': "0+1x60"},
    ),
    Alert(
        "ShoalEventLoopLag", "warning",
        "histogram_quantile(0.99, sum by (le, instance) (rate(shoal_event_loop_lag_seconds_bucket[5m]))) > 0.1",
        "5m", "Event loops of a host are late (P99 over 0.1 s).",
        "A handler blocks: the log names it with its stack. Use `def` or `process=True` for it.",
        _buckets("shoal_event_loop_lag_seconds", "0.5", "0.1", ',instance="a"'),
        _quick("shoal_event_loop_lag_seconds", "0.5", "0.1", ',instance="a"'),
    ),
    Alert(
        "ShoalRedisSlow", "warning", f"{_p95('shoal_redis_call_seconds')} > 0.005", "5m",
        "Calls to Redis take longer than 5 ms (P95).",
        "SLOWLOG, CPU of the Redis host, swap, a slow disk under appendfsync, the network between.",
        _buckets("shoal_redis_call_seconds", "0.01", "0.005"),
        _quick("shoal_redis_call_seconds", "0.01", "0.005"),
    ),
    Alert(
        "ShoalRedisMemory", "warning",
        "max by (server) (shoal_redis_memory_bytes) / max by (server) (shoal_redis_memory_limit_bytes > 0) > 0.85",
        "5m", "A Redis server is at more than 85 % of its memory.",
        "At 100 % submissions are refused. Shorten TASK_RETENTION_DAYS or SHOAL_TASK_RETENTION_COUNT, "
        "or add memory.",
        {'shoal_redis_memory_bytes{server="a"}': "90x60", 'shoal_redis_memory_limit_bytes{server="a"}': "100x60"},
        {'shoal_redis_memory_bytes{server="a"}': "80x60", 'shoal_redis_memory_limit_bytes{server="a"}': "100x60"},
    ),
    Alert(
        "ShoalRedisWrongPolicy", "critical", "max by (server) (shoal_redis_evicts) > 0", "0m",
        "A Redis server may forget tasks.", "CONFIG SET maxmemory-policy noeviction, and in redis.conf.",
        {'shoal_redis_evicts{server="a"}': "1x60"}, {'shoal_redis_evicts{server="a"}': "0x60"},
    ),
    Alert(
        "ShoalStarvation", "warning",
        'max(shoal_oldest_task_age_seconds{priority="LOW"}) > 900 '
        'and sum(rate(shoal_runs_settled_total{priority="CRITICAL"}[15m])) > 0',
        "5m", "LOW tasks have waited for a quarter of an hour while CRITICAL ones run.",
        "Add workers, or set SHOAL_PRIORITY_MODE=weighted.",
        {
            'shoal_oldest_task_age_seconds{priority="LOW",queue="default"}': "1000x60",
            'shoal_runs_settled_total{priority="CRITICAL",queue="default"}': "0+5x60",
        },
        {
            'shoal_oldest_task_age_seconds{priority="LOW",queue="default"}': "1000x60",
            'shoal_runs_settled_total{priority="CRITICAL",queue="default"}': "5x60",
        },
    ),
    Alert(
        "ShoalScheduleLate", "warning", "max(shoal_scheduled_overdue_seconds) > 5", "1m",
        "Tasks are due and have not become ready for 5 s.",
        "Workers make them ready: are there any, and do they reach Redis?",
        {"shoal_scheduled_overdue_seconds": "9x60"}, {"shoal_scheduled_overdue_seconds": "1x60"},
    ),
    Alert(
        "ShoalTargetDown", "critical", 'up{job=~"shoal.*"} == 0', "2m",
        "An API process or a worker host does not answer Prometheus.",
        "Is it down, or is the target wrong? 401 = it needs a key.",
        {'up{job="shoal-api",instance="a"}': "0x60"}, {'up{job="shoal-api",instance="a"}': "1x60"},
    ),
    Alert(
        "ShoalConfigReloadFailed", "warning", "min by (instance) (shoal_config_last_reload_successful) == 0", "0m",
        "Settings could not be read again; the old ones hold.", "The log of that host names what is wrong.",
        {'shoal_config_last_reload_successful{instance="a"}': "0x60"},
        {'shoal_config_last_reload_successful{instance="a"}': "1x60"},
    ),
    Alert(
        "ShoalWSSlow", "warning", f"{_p95('shoal_ws_delivery_seconds')} > 0.1", "5m",
        "Events reach dashboards later than 0.1 s (P95).",
        "CPU of the API host; more processes (`shoal api -p N`); clocks that differ from that of Redis show too.",
        _buckets("shoal_ws_delivery_seconds", "0.5", "0.1"),
        _quick("shoal_ws_delivery_seconds", "0.5", "0.1"),
    ),
)  # fmt: skip


def rules() -> str:
    """The rules; JSON strings are YAML too."""
    lines = ["# Made by scripts/alerts.py.", "groups:", "  - name: shoal", "    rules:"]
    for alert in ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {json.dumps(alert.expr)}",
            f"        for: {alert.wait}",
            f"        labels: {{severity: {alert.severity}}}",
            "        annotations:",
            f"          summary: {json.dumps(alert.summary)}",
            f"          description: {json.dumps(alert.runbook)}",
            f"          runbook_url: {json.dumps(f'{RUNBOOK}#{alert.name.lower()}')}",
        ]
    lines += [
        "      # Always fires: whoever does not hear of it hears of nothing.",
        "      - alert: Watchdog",
        "        expr: vector(1)",
        "        labels: {severity: none}",
        "        annotations:",
        '          summary: "Alerting works."',
        f'          runbook_url: "{RUNBOOK}#watchdog"',
    ]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The runbook."""
    lines = [
        "<!-- Made by scripts/alerts.py. -->",
        "# Alerts",
        "",
        "`deploy/prometheus/` has a scrape configuration and these rules; each is tested by promtool, firing and",
        "not firing. The metrics are described in [metrics](../metrics.md).",
    ]
    for alert in ALERTS:
        lines += [
            "",
            f"## {alert.name}",
            "",
            f"*{alert.severity}*: {alert.summary} {alert.runbook}",
        ]
    lines += [
        "",
        "## Watchdog",
        "",
        "Fires always. Have something outside notice when it no longer does.",
    ]
    return "\n".join(lines) + "\n"


FILES = {FOLDER / "alerts.yml": rules, PAGE: page}


def main() -> int:
    """Write the files, or compare them."""
    if "--check" not in sys.argv[1:]:
        for path, content in FILES.items():
            path.write_text(content())
        return 0
    late = [path.name for path, content in FILES.items() if path.read_text() != content()]
    if late:
        print(f"{', '.join(late)}: out of date, run scripts/alerts.py")
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
