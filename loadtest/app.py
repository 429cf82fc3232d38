"""The measured application: 50 types that do nothing, one that waits, one that tells its start."""

# ruff: noqa: ARG001 - these handlers need neither their context nor their payload

from __future__ import annotations

import asyncio
import time
from typing import Any

from loadtest.workload import BUSY_TYPE, PICKUP_TYPE, TYPES
from shoal import Shoal, TaskContext

app = Shoal()


async def noop(ctx: TaskContext, payload: dict[str, Any]) -> None:
    """Do nothing."""


for name in TYPES:
    app.task(name)(noop)


@app.task(BUSY_TYPE)
async def busy(ctx: TaskContext, payload: dict[str, Any]) -> None:
    """Occupy a slot for 10 ms."""
    await asyncio.sleep(0.010)


@app.task(PICKUP_TYPE)
async def pickup(ctx: TaskContext, payload: dict[str, Any]) -> int:
    """Return when this handler started, in wall-clock microseconds."""
    return time.time_ns() // 1000
