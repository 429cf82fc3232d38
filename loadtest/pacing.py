"""Send at a set rate, whatever the answers take: an open loop, so that a slow system shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Paced:
    """How the sending went.

    Attributes:
        sent: How many sends were begun.
        seconds: From the first send to the end of the last.
        latest_s: The most that a send began behind its time: the sender's own lag.
    """

    sent: int
    seconds: float
    latest_s: float


async def paced(rate: float, count: int, send: Callable[[int], Awaitable[object]]) -> Paced:
    """Call ``send(0)``, ``send(1)`` … ``rate`` times a second, each in a task of its own.

    Args:
        rate: Sends per second.
        count: How many.
        send: What to do; its exception ends the pacing.

    Returns:
        When all sends have ended.
    """
    latest_s = 0.0
    start = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            due = start + number / rate
            wait_s = due - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            latest_s = max(latest_s, time.monotonic() - due)
            group.create_task(_do(send, number))
    return Paced(count, time.monotonic() - start, latest_s)


async def _do(send: Callable[[int], Awaitable[object]], number: int) -> None:
    await send(number)
