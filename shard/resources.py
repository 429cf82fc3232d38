"""What a shard and its host use of memory and CPU time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import psutil

#: Where Linux shows control groups.
CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_GROUP: Final = Path("/proc/self/cgroup")


class Resources:
    """Measures this process and what it runs in; each question costs some 20 µs.

    Args:
        cgroups: Where control groups are shown.
        own_group: The file that says which this process is in.
    """

    def __init__(self, cgroups: Path = CGROUPS, own_group: Path = _OWN_GROUP) -> None:
        self._process = psutil.Process()
        self._group = _group_with_quota(cgroups, own_group)
        self._used_s = 0.0
        self._looked_s = 0.0
        self.cpu()

    def memory(self) -> int:
        """Resident bytes of this process."""
        return int(self._process.memory_info().rss)

    def cpu(self) -> float:
        """Used share of the CPU time there was since the last look, 0 to 1.

        Of the container's quota, where it has one; otherwise of the host. The first look says 0.
        """
        if self._group is None:
            return min(psutil.cpu_percent() / 100, 1.0)
        cores = _quota(self._group)
        used_s, now_s = _used_s(self._group), time.monotonic()
        elapsed_s, spent_s = now_s - self._looked_s, used_s - self._used_s
        is_first = self._looked_s == 0.0
        self._looked_s, self._used_s = now_s, used_s
        if is_first or cores is None or elapsed_s <= 0:
            return 0.0
        return min(max(spent_s / (elapsed_s * cores), 0.0), 1.0)


def _group_with_quota(cgroups: Path, own_group: Path) -> Path | None:
    """The nearest group above this process that has a quota of CPU time; version 2 only."""
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        return None
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None:
        return None
    group = cgroups / own.strip("/")
    while True:
        if _quota(group) is not None:
            return group
        if group == cgroups or cgroups not in group.parents:
            return None
        group = group.parent


def _quota(group: Path) -> float | None:
    """How many cores' time it may use; ``None`` = it has no limit, or does not say."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _used_s(group: Path) -> float:
    try:
        fields = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(fields["usage_usec"]) / 1e6
    except (OSError, ValueError, KeyError):
        return 0.0
