"""Sampled tasks: when each was sent, when its handler started, when its outcome was recorded."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from shoal.broker.broker import Broker
from shoal.broker.results import Inspected

SLICE: Final = 200
POLL_S: Final = 0.25


class Samples:
    """Follows tasks of the type that returns its start time until they are COMPLETED.

    All times are of this machine's wall clock, on which the handlers run too; the recorded end is
    the server's.

    Args:
        broker: To look the tasks up.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: dict[str, float] = {}
        self.pickup_s: list[float] = []
        """From sending to the handler's start, of the tasks that have ended."""
        self.recorded_s: list[float] = []
        """From sending to the recorded outcome, of the tasks that have ended."""

    def sent(self, task_id: str, at_s: float) -> None:
        """Note a task and the wall-clock second at which its submission began."""
        self._waiting[task_id] = at_s

    @property
    def waiting(self) -> int:
        """How many noted tasks have not been seen to end."""
        return len(self._waiting)

    async def collect(self) -> None:
        """Look up what waits, 200 a time, and take what has ended."""
        ids = list(self._waiting)
        for start in range(0, len(ids), SLICE):
            for found in await self._broker.inspect(ids[start : start + SLICE]):
                if found is not None and found.state == "COMPLETED":
                    self._take(found)

    async def collect_all(self, timeout_s: float) -> None:
        """Collect until nothing waits, or until the time has passed; what waits then stays."""
        deadline = time.monotonic() + timeout_s
        while self._waiting and time.monotonic() < deadline:
            await self.collect()
            if self._waiting:
                await asyncio.sleep(POLL_S)

    def _take(self, found: Inspected) -> None:
        sent_s = self._waiting.pop(found.id)
        self.pickup_s.append(int(found.fields["result"]) / 1e6 - sent_s)
        # The server counts whole milliseconds, rounded down; the benchmark rounds up.
        self.recorded_s.append((int(found.fields["ended"]) + 1) / 1000 - sent_s)
