"""The settings of the measured system: those of a user, but for what :func:`conditions` says."""

from __future__ import annotations

from typing import Final

from loadtest.measure import machine
from loadtest.probe import ServerProbe
from loadtest.servers import ServerAddress, free_port, server
from loadtest.workload import NAMESPACE, PARTITIONS
from shoal.config import Settings

MIXED: Final = "50 types and 4 priorities in every batch"
RETENTION_SHARE: Final = 4
"""A cell keeps a quarter of its tasks, so that it prunes at the rate at which it completes."""


def environment(address: ServerAddress, kept: int) -> dict[str, str]:
    """Shoal's settings as environment variables, for the workers and for the client alike.

    Args:
        address: The server.
        kept: COMPLETED tasks that are kept (``SHOAL_TASK_RETENTION_COUNT``).
    """
    return {
        "REDIS_URL": address.url,
        "SHOAL_NAMESPACE": NAMESPACE,
        "SHOAL_PARTITIONS": str(PARTITIONS),
        "SHOAL_TASK_RETENTION_COUNT": str(kept),
        "SHOAL_TOMBSTONE": "1s",
        "MAX_QUEUE_SIZE": "100000000",
        "WORKER_ID": "loadtest",
        "METRICS_ENABLED": "true",
        "SHOAL_METRICS_PORT": str(free_port()),
        "LOG_LEVEL": "warning",
    }


def settings(env: dict[str, str]) -> Settings:
    """The same settings for this process's own client."""
    return Settings.load(env, None)


def described(choice: str, kept: int, workload: str) -> tuple[dict[str, object], dict[str, object]]:
    """The machine and the conditions of a report, for the server of that name or URL."""
    with server(choice) as address, ServerProbe(address.url) as probe:
        return machine(probe.version()), conditions(address, kept, workload)


def conditions(address: ServerAddress, kept: int, workload: str) -> dict[str, object]:
    """What a reader must know of the settings and the workload, for the report."""
    found: dict[str, object] = {
        "on": "state, history, results, journals, counters, events, metrics, exporter, pruning",
        "workload": f"{workload}; payloads of 100 bytes, 8 partitions",
        "retention": f"SHOAL_TASK_RETENTION_COUNT={kept}",
        "differs": "SHOAL_TOMBSTONE=1s (not 60s), MAX_QUEUE_SIZE=100000000, LOG_LEVEL=warning",
    }
    if address.is_own:
        found["server"] = (
            "own, loopback TCP, appendonly everysec, no snapshots, AOF never rewritten"
        )
    else:
        found["server"] = "given by URL, with its own settings"
    return found
