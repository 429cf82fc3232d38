"""How many processor cores this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["default_shards", "usable_cores"]

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota_file: Path = _CGROUP_QUOTA) -> int:
    """Cores by affinity, and by the container's quota where there is one; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text().split()
        if quota != "max":
            cores = min(cores, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        pass  # no cgroup v2: affinity alone decides
    return max(cores, 1)


def default_shards() -> int:
    """One core is left for Redis, the exporter and the system; at least 1."""
    return max(usable_cores() - 1, 1)
