"""What the kernel says about a process: CPU time and memory, read from ``/proc`` (Linux only)."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """A process's memory in bytes.

    Attributes:
        rss: Resident, with what is shared with others counted whole.
        pss: Resident, with each shared page divided by the processes that map it.
        uss: Private: what would come free if the process ended.
    """

    rss: int
    pss: int
    uss: int


def parse_stat_cpu_s(stat: str) -> float:
    """User and system CPU seconds of all threads, from the text of ``/proc/PID/stat``."""
    # The name stands in parentheses and may hold spaces and parentheses of its own.
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def parse_smaps_rollup(text: str) -> Memory:
    """RSS, PSS and USS from the text of ``/proc/PID/smaps_rollup``."""
    kib: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if len(words) == 2 and words[1] == "kB":
            kib[name] = int(words[0])
    uss = kib.get("Private_Clean", 0) + kib.get("Private_Dirty", 0)
    return Memory(rss=kib["Rss"] * 1024, pss=kib["Pss"] * 1024, uss=uss * 1024)


def parse_peak_rss(status: str) -> int:
    """The most bytes that were ever resident (``VmHWM``), from the text of ``/proc/PID/status``."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no VmHWM in /proc/PID/status: has the process ended?")


class MachineTime(NamedTuple):
    """CPU seconds of all cores since the machine started.

    Attributes:
        busy: Spent on any process or in the kernel.
        stolen: Wanted, and given to another guest by the hypervisor.
        total: Of all cores, idle ones included.
    """

    busy: float
    stolen: float
    total: float

    def shares(self, before: MachineTime) -> dict[str, float]:
        """Percent of all cores since an earlier reading, busy and stolen."""
        total = max(self.total - before.total, 1 / TICKS_PER_S)
        return {
            "machine_busy_percent": round((self.busy - before.busy) / total * 100, 1),
            "machine_stolen_percent": round((self.stolen - before.stolen) / total * 100, 1),
        }


def parse_machine_time(stat: str) -> MachineTime:
    """All cores' time from the text of ``/proc/stat``."""
    ticks = [int(word) for word in stat.splitlines()[0].split()[1:9]]
    user, nice, system, idle, waiting, hard_irq, soft_irq, stolen = ticks
    busy = user + nice + system + hard_irq + soft_irq
    total = busy + idle + waiting + stolen
    return MachineTime(busy / TICKS_PER_S, stolen / TICKS_PER_S, total / TICKS_PER_S)


def machine_time() -> MachineTime:
    """All cores' time so far."""
    return parse_machine_time((PROC / "stat").read_text())


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds that these processes have used so far, summed; the kernel counts in 10 ms."""
    return sum(parse_stat_cpu_s((PROC / str(pid) / "stat").read_text()) for pid in pids)


def memory(pid: int) -> Memory:
    """The memory of a process now. Walks its page tables: about a millisecond of its time."""
    return parse_smaps_rollup((PROC / str(pid) / "smaps_rollup").read_text())


def peak_rss(pid: int) -> int:
    """The most bytes that a process has had resident since it began; costs it nothing."""
    return parse_peak_rss((PROC / str(pid) / "status").read_text())


def cpu_model(cpuinfo: str) -> str:
    """The processor's name from the text of ``/proc/cpuinfo``; ``unknown`` when it has none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return "unknown"


def package_version(name: str) -> str:
    """The installed version of a distribution, or ``absent``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def machine(server_version: str) -> dict[str, object]:
    """Where the figures come from; ``load_1min`` is how busy the machine was beforehand."""
    return {
        "cpu": cpu_model((PROC / "cpuinfo").read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "server": server_version,
        "load_1min": round(os.getloadavg()[0], 2),
        "libraries": {
            name: package_version(name) for name in ("shoal", "redis", "hiredis", "uvloop")
        },
    }
