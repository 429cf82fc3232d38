"""The application of the shards that run in a process of their own; its tasks write to the ledger."""

import asyncio
import time

from shoal import Shoal, TaskContext
from tests.support.ledger import Ledger

app = Shoal()
ledger = Ledger.from_environment()


@app.task("sleep", max_retries=0)
async def sleep(ctx: TaskContext, payload: float) -> str:
    """Wait on the loop for this many seconds."""
    ledger.record("start", ctx.id)
    try:
        await asyncio.sleep(payload)
    except asyncio.CancelledError:
        ledger.record("stopped", ctx.id)
        raise
    ledger.record("finish", ctx.id)
    return "slept"


@app.task("block", max_retries=0)
async def block(ctx: TaskContext, payload: float) -> str:
    """Block the loop for this many seconds."""
    ledger.record("start", ctx.id)
    time.sleep(payload)  # noqa: ASYNC251 - that is the point
    ledger.record("finish", ctx.id)
    return "blocked"


@app.task("stubborn", timeout=0.2, max_retries=0)
async def stubborn(ctx: TaskContext, _payload: None) -> None:
    """Swallow every cancellation."""
    ledger.record("start", ctx.id)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ledger.record("refused to stop", ctx.id)


@app.task("thread", max_retries=0)
def thread(ctx: TaskContext, payload: float) -> str:
    """Wait in a thread for this many seconds, whatever it is asked."""
    ledger.record("start", ctx.id)
    time.sleep(payload)
    ledger.record("finish", ctx.id)
    return "waited"
