"""Which settings a running process takes over when it is told to read them again, and which need a restart.

What is not named here is wired into what outlives a reload: where Redis is, names, ports, leases,
partitions. A new value of one of those is reported and not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shoal.config import Settings
from shoal.config_load import all_settings, changed_to

#: Taken over with new shards; see :func:`take_over`.
WITH_NEW_SHARDS = frozenset(
    {
        "DEFAULT_TASK_TIMEOUT",
        "LOG_LEVEL",
        "MAX_QUEUE_SIZE",
        "MAX_RETRIES",
        "SHOAL_ISOLATION_IDLE",
        "SHOAL_MAX_CRASHES",
        "SHOAL_MAX_MEMORY_PER_SHARD",
        "SHOAL_MAX_PAYLOAD",
        "SHOAL_MAX_QUEUES",
        "SHOAL_MAX_SCHEDULED",
        "SHOAL_MAX_TASKS_PER_SHARD",
        "SHOAL_MAX_TYPES",
        "SHOAL_NICE",
        "SHOAL_PRIORITY_MODE",
        "SHOAL_QUEUES",
        "SHOAL_QUEUE_WARNING",
        "SHOAL_TASK_RETENTION_COUNT",
        "SHOAL_THROTTLE_CPU",
        "SHOAL_THROTTLE_LATENCY",
        "SHOAL_THROTTLE_MEMORY",
        "TASK_RETENTION_DAYS",
        "WORKER_CONCURRENCY",
    }
)
#: Taken over by a process of the API.
BY_API = WITH_NEW_SHARDS | {"SHOAL_METRICS_PUBLIC"}


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What came of reading the settings again."""

    settings: Settings
    #: Names of those that have another value now.
    changed: tuple[str, ...]
    #: Names of those that have another value where they were read, which needs a restart.
    kept: tuple[str, ...]


def take_over(old: Settings, read: Settings, names: frozenset[str] = WITH_NEW_SHARDS) -> TakenOver:
    """``old`` with those settings of ``read`` that may change while the process runs.

    Args:
        old: What holds now.
        read: What was read just now, whole and valid.
        names: The settings that may change.

    Raises:
        ConfigurationError: What changed contradicts what was kept.
    """
    changes: dict[str, Any] = {}
    changed: list[str] = []
    kept: list[str] = []
    for path, about, _ in all_settings():
        before, after = _value(old, path), _value(read, path)
        if before == after or not about.name:
            continue
        if about.name not in names:
            kept.append(about.name)
            continue
        changed.append(about.name)
        changes[path] = after
    return TakenOver(changed_to(old, changes), tuple(changed), tuple(kept))


def _value(settings: Settings, path: str) -> Any:
    found: Any = settings
    for name in path.split("__"):
        found = getattr(found, name)
    return found
