"""The application of the shards whose handlers run in processes of their own."""

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

import msgspec

from shoal import NonRetryable, Retry, RetryPolicy, Shoal, TaskContext
from tests.support.ledger import Ledger

app = Shoal()
ledger = Ledger.from_environment()
ledger.record("import", str(os.getpid()))


class Email(msgspec.Struct):
    """A payload with types."""

    to: str


@app.task("echo", process=True)
def echo(ctx: TaskContext, payload: Any) -> dict[str, Any]:
    """What it was given, and where it runs."""
    is_main = threading.current_thread() is threading.main_thread()
    return {
        "payload": payload,
        "pid": os.getpid(),
        "attempt": ctx.attempt,
        "metadata": dict(ctx.metadata),
        "worker": ctx.worker_id,
        "is_main": is_main,
    }


@app.task("mail", process=True)
def mail(_ctx: TaskContext, payload: Email) -> str:
    """Takes a Struct."""
    return payload.to


@app.task("waits", process=True)
async def waits(_ctx: TaskContext, payload: float) -> str:
    """A coroutine, in a process."""
    await asyncio.sleep(payload)
    return "waited"


@app.task("raises", process=True, retry=RetryPolicy(1, "fixed", 0.01, 0.01))
def raises(ctx: TaskContext, payload: str) -> Any:
    """Ends badly, in one of several ways."""
    if payload == "retry":
        if ctx.attempt == 1:
            raise Retry("100ms")
        return ctx.attempt
    if payload == "result":
        return object()
    if payload == "large":
        return "x" * 2_000_000
    raise {
        "final": NonRetryable("no"),
        "value": ValueError("wrong"),
        "exit": SystemExit(3),
        "keyboard": KeyboardInterrupt(),
    }[payload]


@app.task("dies", process=True, max_retries=0)
def dies(_ctx: TaskContext, payload: str) -> None:
    """Takes its process along."""
    if payload == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, payload))
    time.sleep(60)


@app.task("sleeps", process=True, timeout=30, max_retries=0)
def sleeps(ctx: TaskContext, payload: float) -> str:
    """Takes no notice of anything."""
    ledger.record("start", ctx.id)
    ledger.record("pid", str(os.getpid()))
    time.sleep(payload)
    return "slept"


@app.task("keeps.lock", process=True, timeout=0.3, max_retries=0)
def keeps_lock(ctx: TaskContext, payload: int) -> None:
    """Holds the interpreter's lock in C for this many seconds."""
    ledger.record("start", ctx.id)
    ledger.record("pid", str(os.getpid()))
    ctypes.PyDLL(None).sleep(payload)


@app.task("polite", process=True, timeout=30, max_retries=0)
def polite(ctx: TaskContext, payload: str) -> str:
    """Ends when it is asked to."""
    ledger.record("start", ctx.id)
    while not ctx.cancelled:
        time.sleep(0.005)
    if payload == "return":
        return f"stopped: {ctx.cancel_reason}"
    raise InterruptedError(ctx.cancel_reason)


@app.task("speaks", process=True, timeout=0.5, max_retries=0)
def speaks(ctx: TaskContext, payload: int) -> str:
    """Tells how far it is, and takes more time than it has."""
    ctx.extend("10s")
    for n in range(payload):
        ctx.progress(n + 1, payload, f"step {n + 1}")
        ctx.log(f"line {n + 1}", level="warning")
        time.sleep(0.02)
    time.sleep(0.6)
    return "done"


@app.task("prints", process=True)
def prints(_ctx: TaskContext, payload: str) -> None:
    """Writes to both outputs, without a newline."""
    sys.stdout.write(f"<{payload}>")
    sys.stderr.write(f"[{payload}]")


@app.task("in.loop")
async def in_loop(_ctx: TaskContext, _payload: None) -> int:
    """Runs in the shard itself."""
    return os.getpid()
