"""A host with workers: ``python -m shoal worker`` as a child, and who its shards are."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.ledger import LEDGER_VARIABLE, Ledger
from tests.support.processes import ChildProcess, is_alive, shoal
from tests.support.waiting import wait_until, wait_until_async

APP = "tests.chaos.program:app"
PARTITIONS = 8
LEASE_S = 3.0
_READY = re.compile(r"shard (\d+) is ready: (\S+), pid (\d+)")


class Host:
    """A supervisor with its shards; a context manager that leaves nothing running.

    Args:
        url: Where its Redis is.
        ledger: Where its handlers write.
        name: Its WORKER_ID.
        shards: How many processes.
        concurrency: Tasks that each runs at once.
        app: Its application.
        env: More settings.
        options: More options of the command.
        cwd: Where it runs; default the repository.
        more: More settings.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        name: str = "host",
        *,
        shards: int = 2,
        concurrency: int = 20,
        app: str = APP,
        env: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
        cwd: Path | None = None,
        **more: object,
    ) -> None:
        settings = {
            "REDIS_URL": url,
            "SHOAL_NAMESPACE": "t",
            "SHOAL_PARTITIONS": str(PARTITIONS),
            "SHOAL_LEASE": f"{LEASE_S:g}s",
            "WORKER_ID": name,
            "WORKER_HEARTBEAT_INTERVAL": "1s",
            "SHOAL_RUN_DIR": str(ledger.path.parent / "run"),
            LEDGER_VARIABLE: str(ledger.path),
            **{key: str(value) for key, value in {**(env or {}), **more}.items()},
        }
        arguments = ("-n", str(shards), "-c", str(concurrency), *options, app)
        self.env = settings
        self.process: ChildProcess = shoal("worker", *arguments, env=settings, cwd=cwd)
        self.shards = shards

    def start(self) -> Self:
        """Start it; returns at once."""
        self.process.start()
        return self

    async def ready(self) -> Self:
        """Wait until all shards can claim."""
        await wait_until_async(
            lambda: len(self._alive()) == self.shards, f"{self.shards} shards are ready", 60
        )
        return self

    def incarnations(self) -> dict[int, str]:
        """The incarnation of each shard that lives and was ready, by process id."""
        return {pid: incarnation for pid, (_, incarnation) in self._alive().items()}

    def places(self) -> dict[int, int]:
        """The process in each place, ``index → pid``, of shards that live."""
        return {index: pid for pid, (index, _) in self._alive().items()}

    def kill_shard(self, pid: int) -> int:
        """Kill -9, and wait until it is gone.

        Returns:
            The moment just before the kill, on the ledger's monotonic clock, in ns.
        """
        at_ns = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), f"shard {pid} is gone", interval_s=0.001)
        return at_ns

    def _alive(self) -> dict[int, tuple[int, str]]:
        if self.process.returncode is not None:
            raise AssertionError(f"the supervisor has ended: {self.process.stderr[-3000:]}")
        children = set(self.process.children())
        found = {
            int(pid): (int(index), incarnation)
            for index, incarnation, pid in _READY.findall(self.process.stderr)
        }
        return {pid: who for pid, who in found.items() if pid in children}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.process.close()
