"""Tells the registry what this worker is doing, and hears what is wished of it."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import psutil

import shoal
from shoal.broker.registry import Told
from shoal.model.worker import WorkerRecord, WorkerState
from shoal.shard.control import Why

if TYPE_CHECKING:
    from shoal.broker.registry import Registry
    from shoal.settings.worker import WorkerSettings
    from shoal.shard.control import Control
    from shoal.shard.executor import Executor
    from shoal.shard.ledger import Ledger
    from shoal.shard.parts import Parts


class Heartbeat:
    """The record of one worker, sent each heartbeat.

    Args:
        incarnation: Whose.
        settings: Concurrency, queues, and when to recycle.
        control: Told when the shard shall end.
    """

    def __init__(
        self,
        incarnation: str,
        settings: WorkerSettings,
        control: Control,
    ) -> None:
        self._incarnation = incarnation
        self._settings = settings
        self._control = control
        self._process = psutil.Process()
        self._started_ms = _now_ms()
        self._is_paused = False
        self._beat_s = time.monotonic()
        self._busy_s = 0.0
        #: What was measured and not yet told for sure; the number of the last report.
        self._untold: Told | None = None
        self._reports = 0

    def record(
        self,
        ledger: Ledger | None = None,
        executor: Executor | None = None,
        throttled: tuple[str, ...] = (),
    ) -> WorkerRecord:
        """The worker as it stands; without a ledger, as it starts."""
        running = 0 if ledger is None else ledger.running
        return WorkerRecord(
            incarnation=self._incarnation,
            state=self._state(running),
            concurrency=self._settings.concurrency,
            current_tasks=running,
            processed_count=0 if executor is None else executor.processed,
            failed_count=0 if executor is None else executor.failed,
            started_at_ms=self._started_ms,
            last_heartbeat_ms=_now_ms(),
            host=socket.gethostname(),
            pid=os.getpid(),
            version=shoal.__version__,
            queues=self._settings.queues,
            memory_bytes=self._process.memory_info().rss,
            utilisation=0.0 if executor is None else self._utilisation(executor),
            throttled=throttled,
        )

    async def run_once(self, registry: Registry, parts: Parts) -> None:
        """One heartbeat; acts on what its reply wishes.

        Raises:
            BrokerUnavailable: Redis is away; the next one will do.
        """
        record = self.record(parts.ledger, parts.executor, parts.throttling.why)
        wish = await registry.beat(record, self.told(parts))
        self._untold = None
        if wish.taken_by:
            self._control.stop_now(Why.REPLACED)
            return
        if wish.desired == "shutdown":
            self._control.stop(Why.WISHED)
        self._is_paused = wish.desired == "paused"
        parts.pause(is_paused=self._is_paused)
        self._recycle(record)

    def told(self, parts: Parts) -> Told:
        """What was measured since the last heartbeat that was answered; until then it stays the same."""
        if self._untold is None and (measured := parts.times.take()):
            self._reports += 1
            self._untold = Told(self._reports, measured)
        return self._untold or Told(self._reports, "")

    def _recycle(self, record: WorkerRecord) -> None:
        most_tasks = self._settings.max_tasks_per_shard
        most_bytes = self._settings.max_memory_per_shard
        if (most_tasks is not None and record.processed_count >= most_tasks) or (
            # A successor of one that has done nothing would be no smaller.
            most_bytes is not None
            and record.processed_count > 0
            and record.memory_bytes >= most_bytes
        ):
            self._control.stop(Why.RECYCLED)

    def _state(self, running: int) -> WorkerState:
        if self._control.is_stopping:
            return WorkerState.SHUTTING_DOWN
        if self._is_paused:
            return WorkerState.PAUSED
        return WorkerState.BUSY if running else WorkerState.IDLE

    def _utilisation(self, executor: Executor) -> float:
        """Busy slots over all slots since the last heartbeat."""
        now_s = time.monotonic()
        busy_s = executor.busy_s(now_s)
        elapsed_s = max(now_s - self._beat_s, 1e-3)
        used = (busy_s - self._busy_s) / (elapsed_s * self._settings.concurrency)
        self._beat_s, self._busy_s = now_s, busy_s
        return round(min(max(used, 0.0), 1.0), 4)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
