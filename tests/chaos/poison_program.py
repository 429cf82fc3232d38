"""The application of the poison tests: good tasks, and types that kill the process that runs them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import time

from shoal import Shoal, TaskContext
from tests.support.ledger import Ledger

app = Shoal()
ledger = Ledger.from_environment()


@app.task("good", max_retries=0)
async def good(ctx: TaskContext, payload: float) -> float:
    """Wait this many seconds; the result is when it ended, in unix seconds."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    await asyncio.sleep(payload)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)
    return time.time()


def die(how: str) -> None:
    """Kill this process from inside."""
    if how.startswith("exit"):
        os._exit(int(how.removeprefix("exit")))
    if how == "segfault":
        ctypes.string_at(0)
    os.abort()


@app.task("poison", max_retries=0)
async def poison(ctx: TaskContext, payload: str) -> None:
    """Die on the event loop: ``exit<status>``, ``segfault`` or ``abort``."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    die(payload)


@app.task("poison.thread", max_retries=0)
def poison_thread(ctx: TaskContext, payload: str) -> None:
    """The same in a thread."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    die(payload)


@app.task("eat", max_retries=0)
async def eat(ctx: TaskContext, payload: int) -> None:
    """Take memory without an end, this many MiB at a time, and never let the event loop turn."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    eaten = []
    while True:
        eaten.append(b"x" * (payload * 1024 * 1024))
        time.sleep(0.02)  # noqa: ASYNC251 - that is the point


@app.task("hold", max_retries=0, timeout=1.0)
async def hold(ctx: TaskContext, _payload: None) -> None:
    """Hold the interpreter's lock in C code, far beyond the timeout: no thread of Python runs meanwhile."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    re.fullmatch(r"(a|aa)+b", "a" * 60)
