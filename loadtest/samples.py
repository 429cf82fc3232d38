"""Sampled tasks: when each was sent, when its handler started, when its outcome was recorded."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from loadtest.partitions import PartitionReader
from loadtest.workload import PICKUP_TYPE

POLL_S: Final = 0.25


class Samples:
    """Follows tasks of the type that returns its start time until they are COMPLETED.

    All times are of this machine's wall clock, on which the handlers and an own server run too.

    Args:
        reader: To read the type's journal and the results.
    """

    def __init__(self, reader: PartitionReader) -> None:
        self._reader = reader
        self._cursors = ["-"] * reader.partitions
        self._sent: dict[str, float] = {}
        # A task may have ended before the reply to its submission has been seen.
        self._ended: dict[str, tuple[int, bytes]] = {}
        self.pickup_s: list[float] = []
        """From sending to the handler's start, of the tasks that have ended."""
        self.recorded_s: list[float] = []
        """From sending to the recorded outcome, of the tasks that have ended."""

    def sent(self, task_id: str, at_s: float) -> None:
        """Note a task and the wall-clock second at which its submission began."""
        self._sent[task_id] = at_s

    @property
    def waiting(self) -> int:
        """How many noted tasks have not been seen to end."""
        return len(self._sent)

    def collect(self) -> None:
        """Take what has ended since the last time."""
        self._ended |= self._reader.ended_of(PICKUP_TYPE, self._cursors)
        for task in self._ended.keys() & self._sent.keys():
            recorded_ms, started_us = self._ended.pop(task)
            sent_s = self._sent.pop(task)
            self.pickup_s.append(int(started_us) / 1e6 - sent_s)
            # The server counts whole milliseconds, rounded down; the benchmark rounds up.
            self.recorded_s.append((recorded_ms + 1) / 1000 - sent_s)

    async def collect_all(self, timeout_s: float) -> None:
        """Collect until nothing waits, or until the time has passed; what waits then stays."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.collect()
            if not self._sent:
                return
            await asyncio.sleep(POLL_S)
