"""The benchmarks run on a real server with real workers, and say what they found."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


def _report(folder: Path, *arguments: str) -> dict[str, Any]:
    file = folder / "report.json"
    command = [sys.executable, "-m", "loadtest", *arguments, "--json", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(file.read_text())
    assert report["machine"]["server"].startswith("redis 7")
    return report


def test_drain_measures_shoal_and_its_floor(tmp_path: Path) -> None:
    """A small drain completes every task and reports rate, CPU, memory and bytes beside its floor."""
    report = _report(tmp_path, "drain", "--only", "1x100", "--tasks", "2000")
    (run,) = report["runs"]
    assert (run["name"], run["tasks"]) == ("1x100", 2000)
    for figure in (
        "tasks_per_s",
        "redis_us_per_task",
        "shard_us_per_task",
        "aof_bytes_per_task",
        "bytes_per_pending_task",
        "idle_uss_mib",
        "peak_rss_mib",
        "start_to_recorded_p99_ms",
    ):
        assert run[figure] > 0, figure
    assert report["floor"]["tasks_per_s"] > 0
    assert report["floor"]["tasks"] == 2000


def test_endtoend_leaves_nothing_behind_at_a_low_rate(tmp_path: Path) -> None:
    """Far below its limits the system keeps the rate, and every sampled task is seen to start."""
    report = _report(tmp_path, "endtoend", "--only", "1x100", "--rate", "500", "--tasks", "1000")
    (run,) = report["runs"]
    assert run["left_behind"] == 0
    assert run["samples"] + run["samples_pruned_unseen"] == 200
    assert run["pickup_p50_ms"] > 0


def test_submissions_over_http_are_measured_and_stored(tmp_path: Path) -> None:
    """Each cell reports rate, latency and the CPU of API and sender; what was accepted is stored."""
    cells = ("http-single", "http-batch", "http-paced")
    only = [word for cell in cells for word in ("--only", cell)]
    report = _report(tmp_path, "submit", *only, "--tasks", "1000")
    assert [run["name"] for run in report["runs"]] == list(cells)
    for run in report["runs"]:
        assert run["tasks"] == 1000
        for figure in ("tasks_per_s", "api_us_per_task", "call_p50_ms", "call_p95_ms"):
            assert run[figure] > 0, figure
        assert "client_busy_percent" in run


def test_endtoend_through_http_leaves_nothing_behind(tmp_path: Path) -> None:
    """Batches go in by HTTP, workers run them, and the same figures come out."""
    report = _report(
        tmp_path, "endtoend", "--only", "http-1x100", "--rate", "500", "--tasks", "1000"
    )
    (run,) = report["runs"]
    assert (run["name"], run["submitted"], run["completed"]) == ("http-1x100", 1000, 1000)
    assert run["left_behind"] == 0
    assert run["verify_findings"] == 0
    assert run["pickup_p50_ms"] > 0
    assert run["api_us_per_task"] > 0


def test_a_missing_server_is_one_line() -> None:
    """An unknown server ends the benchmark with status 1 and one line that says what there is."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "submit", "--server", "redis5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "redis7, valkey, redis8 or a URL" in done.stderr
