"""The measured workers: real ``shoal worker`` processes, started for a cell, drained after it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from loadtest import measure
from loadtest.cells import Cell
from loadtest.exporter import ClaimCalls, claim_calls
from loadtest.failure import WorkersFailed
from loadtest.figures import Figure
from shoal.broker.broker import Broker
from shoal.broker.registry import Registry
from shoal.embedded.tether import tethered

ROOT: Final = Path(__file__).resolve().parent.parent
APP: Final = "loadtest.app:app"
START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 40.0
METRICS_LAG_S: Final = 1.2
"""Shards write their counters once a second."""
MIB: Final = 2**20


@dataclass(frozen=True)
class Workers:
    """A running supervisor and its shards.

    Attributes:
        supervisor: Its process id.
        shards: The shards' process ids.
        metrics_port: Where their counters are served.
    """

    supervisor: int
    shards: tuple[int, ...]
    metrics_port: str

    def cpu_s(self) -> float:
        """CPU seconds of all shards so far, their start-up included."""
        return measure.cpu_s(self.shards)

    def memory(self, prefix: str, most: int = 8) -> dict[str, Figure]:
        """The largest RSS, PSS and USS in MiB of up to ``most`` shards, e.g. ``idle_uss_mib``."""
        found = [measure.memory(pid) for pid in self.shards[:most]]
        return {
            f"{prefix}_rss_mib": round(max(memory.rss for memory in found) / MIB, 1),
            f"{prefix}_pss_mib": round(max(memory.pss for memory in found) / MIB, 1),
            f"{prefix}_uss_mib": round(max(memory.uss for memory in found) / MIB, 1),
        }

    async def claim_calls(self) -> ClaimCalls:
        """Claim calls answered so far, what was not yet counted included; takes a second."""
        await asyncio.sleep(METRICS_LAG_S)
        return claim_calls(self.metrics_port)

    def peak_rss_mib(self) -> float:
        """The most that any shard has had resident, in MiB."""
        return round(max(measure.peak_rss(pid) for pid in self.shards) / MIB, 1)


@asynccontextmanager
async def workers(broker: Broker, cell: Cell, env: Mapping[str, str]) -> AsyncIterator[Workers]:
    """Start a supervisor with the cell's shards; entered when every one of them is registered.

    Args:
        broker: To see in the registry who has come.
        cell: How many shards, and the concurrency of each.
        env: Shoal's settings; nothing of this process's own environment but PATH is handed on.

    Raises:
        WorkersFailed: It ended, or not all were there within 120 s.
    """
    with tempfile.TemporaryFile() as log:
        process = _start(cell, env, log)
        try:
            shards = await _wait_for_shards(broker, cell.shards, process)
            yield Workers(process.pid, shards, env["SHOAL_METRICS_PORT"])
        except WorkersFailed as error:
            log.seek(0)
            raise WorkersFailed(f"{error}: {log.read()[-2000:].decode(errors='replace')}") from None
        finally:
            await asyncio.to_thread(_stop, process)


def _start(cell: Cell, env: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "shoal", "worker", APP]
    command += ["-n", str(cell.shards), "-c", str(cell.concurrency)]
    # Tied to this process, so that a benchmark that is killed leaves no worker behind.
    return subprocess.Popen(
        tethered(command, signal.SIGTERM),
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", ""), **env},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


async def _wait_for_shards(
    broker: Broker, wanted: int, process: subprocess.Popen[bytes]
) -> tuple[int, ...]:
    registry = Registry(broker)
    deadline = time.monotonic() + START_TIMEOUT_S
    pids: set[int] = set()
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise WorkersFailed(f"the workers ended with {process.returncode}")
        pids = {record.pid for record in await registry.live()}
        if len(pids) >= wanted:
            return tuple(sorted(pids))
        await asyncio.sleep(0.2)
    raise WorkersFailed(
        f"only {len(pids)} of {wanted} shards were there after {START_TIMEOUT_S:.0f} s"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        # Its children end with it: they watch its death pipe.
        process.kill()
        process.wait()
