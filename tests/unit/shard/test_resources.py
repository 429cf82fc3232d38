"""What is measured of memory and CPU time."""

from __future__ import annotations

import time
from pathlib import Path

from shoal.shard.resources import Resources


def _group(folder: Path, quota: str, used_us: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cpu.max").write_text(f"{quota} 100000\n")
    (folder / "cpu.stat").write_text(f"usage_usec {used_us}\nuser_usec 1\n")


def _in_group(tmp_path: Path, group: str) -> Path:
    own = tmp_path / "own"
    own.write_text(f"0::{group}\n")
    return own


def test_the_quota_of_the_container_counts(tmp_path: Path) -> None:
    """A group of half a core that used far more than that since the last look is full."""
    _group(tmp_path / "cg/a/b", "50000", 0)
    resources = Resources(tmp_path / "cg", _in_group(tmp_path, "/a/b"))
    assert resources.cpu() == 0.0
    _group(tmp_path / "cg/a/b", "50000", 60_000_000)
    assert resources.cpu() == 1.0
    began_s = time.monotonic()
    while time.monotonic() - began_s < 0.05:
        pass
    assert resources.cpu() == 0.0


def test_the_nearest_group_with_a_quota(tmp_path: Path) -> None:
    """A group without one is bound by that of the group above."""
    _group(tmp_path / "cg/a", "200000", 0)
    _group(tmp_path / "cg/a/b", "max", 0)
    resources = Resources(tmp_path / "cg", _in_group(tmp_path, "/a/b"))
    _group(tmp_path / "cg/a", "200000", 600_000_000)
    assert resources.cpu() == 1.0


def test_without_a_quota_the_host_counts(tmp_path: Path) -> None:
    """No control groups, or none that says: a share of the host, between 0 and 1."""
    for own in (tmp_path / "nothing", _in_group(tmp_path, "/a")):
        assert 0.0 <= Resources(tmp_path / "cg", own).cpu() <= 1.0


def test_memory_is_that_of_this_process() -> None:
    """A Python process has some MiB, and one of the suite not all there is."""
    assert 2**22 < Resources().memory() < 2**36
