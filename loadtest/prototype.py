"""The hot path's prototype as a yardstick: ``hotpath.py`` is run and what it prints is read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from loadtest.cells import Cell
from loadtest.failure import BenchmarkFailed
from loadtest.figures import Figure
from loadtest.servers import ServerAddress

ABOUT: Final = "the same data model without retries, leases, wake-ups, checks or recovery"
TIMEOUT_S: Final = 900.0
LINE: Final = re.compile(
    r"^(?P<what>submit|drain)\s+(?P<rate>[\d.]+)/s\s+redis\s+(?P<redis>[\d.]+) us/task"
    r"(?:\s+shards\s+(?P<shards>[\d.]+) us/task)?(?:.*?(?P<bytes>\d+) bytes a pending task)?",
    re.MULTILINE,
)


def run_cell(
    folder: Path, address: ServerAddress, cell: Cell, tasks: int, kept: int
) -> dict[str, Figure]:
    """Run one cell of the prototype on an own, empty server, which it flushes.

    Args:
        folder: Where ``hotpath.py`` and its scripts stand.
        address: An own server.
        cell: Shards and concurrency.
        tasks: How many tasks to drain; rounded down to a multiple of 200.
        kept: Finished tasks that each of its eight partitions keeps.

    Raises:
        BenchmarkFailed: It failed or printed something else; the message has its output.
    """
    command = [
        sys.executable,
        str(folder / "hotpath.py"),
        "--port",
        str(address.port),
        "--tasks",
        str(tasks),
    ]
    command += [
        "--shards",
        str(cell.shards),
        "--concurrency",
        str(cell.concurrency),
        "--keep",
        str(kept),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise BenchmarkFailed(f"the prototype ended with {done.returncode}: {done.stderr[-500:]}")
    return {"name": cell.name, "tasks": tasks // 200 * 200, **parse_output(done.stdout)}


def parse_output(text: str) -> dict[str, Figure]:
    """The figures of the prototype's two lines, ``submit …`` and ``drain …``.

    Raises:
        BenchmarkFailed: A line is missing.
    """
    lines = {match["what"]: match for match in LINE.finditer(text)}
    if set(lines) != {"submit", "drain"}:
        raise BenchmarkFailed(f"the prototype printed something else: {text[-500:]!r}")
    submit, drain = lines["submit"], lines["drain"]
    return {
        "tasks_per_s": float(drain["rate"]),
        "redis_us_per_task": float(drain["redis"]),
        "shard_us_per_task": float(drain["shards"]),
        "submit_tasks_per_s": float(submit["rate"]),
        "submit_redis_us_per_task": float(submit["redis"]),
        "bytes_per_pending_task": int(submit["bytes"]),
    }
