"""The measured API: one real ``shoal api`` process, started for a cell and stopped after it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from loadtest import measure
from loadtest.failure import WorkersFailed
from loadtest.servers import free_port
from loadtest.workers import APP, ROOT
from shoal.embedded.tether import tethered

KEY: Final = "the-key-of-the-load-test"
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True)
class Api:
    """A running API process.

    Attributes:
        pid: Its process id.
        port: Of clients.
    """

    pid: int
    port: int

    def cpu_s(self) -> float:
        """CPU seconds so far, its start included."""
        return measure.cpu_s([self.pid])

    def peak_rss_mib(self) -> float:
        """The most it has had resident, in MiB."""
        return round(measure.peak_rss(self.pid) / 2**20, 1)


@asynccontextmanager
async def api(env: Mapping[str, str]) -> AsyncIterator[Api]:
    """Start one; entered when it takes tasks.

    Args:
        env: Shoal's settings; nothing of this process's own environment but PATH is handed on.

    Raises:
        WorkersFailed: It ended, or was not ready within 30 s.
    """
    port = free_port()
    settings = {**env, "API_KEY": KEY, "API_PORT": str(port), "ADMIN_PORT": str(free_port())}
    with tempfile.TemporaryFile() as log:
        # Tied to this process, so that a benchmark that is killed leaves no API behind.
        process = subprocess.Popen(  # noqa: ASYNC220 - forking takes a moment
            tethered([sys.executable, "-m", "shoal", "api", APP], signal.SIGTERM),
            cwd=ROOT,
            env={"PATH": os.environ.get("PATH", ""), **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not await asyncio.to_thread(_is_ready, port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    said = log.read()[-2000:].decode(errors="replace")
                    raise WorkersFailed(f"the API is not ready: {said}")
                await asyncio.sleep(0.1)
            yield Api(process.pid, port)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_ready(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/readyz"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
