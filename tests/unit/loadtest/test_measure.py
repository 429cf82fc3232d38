"""What is read from /proc."""

import os

import pytest

from loadtest import measure
from loadtest.measure import Memory, parse_peak_rss, parse_smaps_rollup, parse_stat_cpu_s

STAT = "42 (a (strange) name) S 1 42 42 0 -1 4194560 900 0 0 0 {user} {system} 0 0 20 0 1 0 100 0 0"

SMAPS_ROLLUP = """\
55d0c0000000-7ffd2b5c1000 ---p 00000000 00:00 0                          [rollup]
Rss:               40960 kB
Pss:               20480 kB
Pss_Dirty:          9000 kB
Shared_Clean:      20480 kB
Private_Clean:      2048 kB
Private_Dirty:      8192 kB
Swap:                  0 kB
Locked:                0 kB
"""


def test_cpu_time_is_user_and_system_time_whatever_the_name() -> None:
    """A process's name may hold spaces and parentheses; CPU time stands behind the last one."""
    ticks = measure.TICKS_PER_S
    assert parse_stat_cpu_s(STAT.format(user=2 * ticks, system=ticks)) == 3.0


def test_private_memory_is_clean_and_dirty_together() -> None:
    """USS is the sum of both private kinds; RSS and PSS are read as they stand, in bytes."""
    assert parse_smaps_rollup(SMAPS_ROLLUP) == Memory(
        rss=40 * 2**20, pss=20 * 2**20, uss=10 * 2**20
    )


def test_the_peak_is_read_from_status() -> None:
    """The most that was ever resident is VmHWM; a process without one has ended."""
    assert parse_peak_rss("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n") == 2 * 2**20
    with pytest.raises(ValueError, match="ended"):
        parse_peak_rss("Name:\tx\nState:\tZ (zombie)\n")


def test_the_machine_s_time_is_told_apart() -> None:
    """Waiting for a disk is idle, interrupts are busy, and stolen time is neither."""
    ticks = measure.TICKS_PER_S
    idle_before = measure.parse_machine_time("cpu  0 0 0 0 0 0 0 0 0 0\n")
    now = measure.parse_machine_time(
        f"cpu  {ticks} 0 {ticks} {4 * ticks} {ticks} 0 {ticks} {2 * ticks} 0 0\n"
    )
    assert (now.busy, now.stolen, now.total) == (3.0, 2.0, 10.0)
    assert now.shares(idle_before) == {"machine_busy_percent": 30.0, "machine_stolen_percent": 20.0}


def test_this_process_can_be_read() -> None:
    """The readers understand the /proc of the kernel they run on."""
    pid = os.getpid()
    now = measure.memory(pid)
    assert now.rss >= now.pss >= now.uss > 0
    assert measure.peak_rss(pid) >= now.uss
    assert measure.cpu_s([pid, pid]) == pytest.approx(2 * measure.cpu_s([pid]), abs=0.1)


def test_the_processor_is_named() -> None:
    """The model's name comes from cpuinfo, and is ``unknown`` where the kernel gives none."""
    assert measure.cpu_model("processor\t: 0\nmodel name\t: Fast 9000\n") == "Fast 9000"
    assert measure.cpu_model("processor\t: 0\n") == "unknown"
