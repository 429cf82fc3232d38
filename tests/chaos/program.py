"""The application of the workers under fault; its handlers write to the ledger."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from shoal import Shoal, TaskContext
from tests.chaos.tail import HURRY_SUFFIX
from tests.support.ledger import LEDGER_VARIABLE, Ledger

app = Shoal()
ledger = Ledger.from_environment()
#: While this file exists, ``work`` takes no time: the end of a test need not last.
HURRY = Path(os.environ[LEDGER_VARIABLE] + HURRY_SUFFIX)


def _is_in_a_hurry() -> bool:
    return HURRY.exists()


# Without retries: a run that a fault took away and that counted as an attempt would make it DEAD.
@app.task("work", max_retries=0)
async def work(ctx: TaskContext, payload: float) -> int:
    """Wait on the loop for this many seconds; the result says which process did it."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    if not _is_in_a_hurry():
        await asyncio.sleep(payload)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)
    return os.getpid()


@app.task("thread", max_retries=0)
def thread(ctx: TaskContext, payload: float) -> int:
    """The same in a thread."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    time.sleep(payload)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)
    return os.getpid()


@app.task("filler", max_retries=0)
async def filler(_ctx: TaskContext, _payload: None) -> None:
    """Do nothing: what waits behind the others."""


@app.task("endless", max_retries=0)
async def endless(ctx: TaskContext, payload: str) -> int:
    """Never end, whatever it is told, on workers whose name begins with ``payload``."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    while ctx.worker_id.startswith(payload):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ledger.record("refused to stop", ctx.id)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)
    return os.getpid()


@app.task("endless.thread", max_retries=0)
def endless_thread(ctx: TaskContext, payload: str) -> int:
    """The same in a thread, which can't be stopped at all."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    while ctx.worker_id.startswith(payload):
        time.sleep(0.1)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)
    return os.getpid()


@app.task("swallows", timeout=0.3, max_retries=0)
async def swallows(ctx: TaskContext, _payload: float) -> None:
    """Take no notice of its timeout."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ledger.record("refused to stop", ctx.id)


@app.task("holds.loop", timeout=0.3, max_retries=0)
async def holds_loop(ctx: TaskContext, payload: float) -> None:
    """Hold the event loop for this many seconds."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    time.sleep(payload)  # noqa: ASYNC251 - that is the point


@app.task("blocks", timeout=60, max_retries=0)
async def blocks(ctx: TaskContext, payload: float) -> int:
    """Hold the event loop for this many seconds, within its timeout."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    time.sleep(payload)  # noqa: ASYNC251 - that is the point
    ledger.record("finish", ctx.id, attempt=ctx.attempt)
    return os.getpid()
