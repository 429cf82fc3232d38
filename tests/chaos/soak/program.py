"""The application of the soak: one type for each way in which a task may go."""

from __future__ import annotations

import asyncio
import time

from shoal import Shoal, TaskContext
from shoal.model.retry import RetryPolicy
from tests.support.ledger import Ledger

app = Shoal()
ledger = Ledger.from_environment()
QUICK = RetryPolicy(max_retries=3, initial_backoff=0.1, max_backoff=0.5)


@app.task("soak.work", max_retries=0)
async def work(ctx: TaskContext, payload: float) -> None:
    """Wait on the loop for this many seconds."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    await asyncio.sleep(payload)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)


@app.task("soak.thread", max_retries=0)
def thread(ctx: TaskContext, payload: float) -> None:
    """The same in a thread."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    time.sleep(payload)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)


@app.task("soak.flaky", retry=QUICK)
async def flaky(ctx: TaskContext, payload: int) -> None:
    """Fail this many attempts, then succeed."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    if ctx.attempt <= payload:
        raise ConnectionError("not yet")
    ledger.record("finish", ctx.id, attempt=ctx.attempt)


@app.task("soak.fails", max_retries=0)
async def fails(ctx: TaskContext, _payload: None) -> None:
    """Never succeed."""
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    raise ValueError("as it is meant to")
