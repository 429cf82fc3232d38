"""The application behind the dashboard's tests and pictures: an outcome of every kind."""

import asyncio
from typing import Any

from shoal import NonRetryable, RetryPolicy, Shoal, TaskContext

app = Shoal()


class MailboxFull(Exception):
    """Passes by itself, some day."""


@app.task(
    "email.send",
    priority="HIGH",
    retry=RetryPolicy(max_retries=5, initial_backoff=3600, max_backoff=3600),
)
async def send_email(ctx: TaskContext, payload: dict[str, Any]) -> dict[str, Any]:
    """Completes, but for one mailbox."""
    ctx.log(f"connecting to the server of {payload['to']}")
    if payload["to"].startswith("full"):
        ctx.log("452 insufficient storage", "warning")
        raise MailboxFull(f"452 4.2.2 mailbox of {payload['to']} is full")
    return {"message_id": f"<{ctx.id}@example.com>", "bytes": 812}


@app.task("image.thumbnail")
async def make_thumbnail(ctx: TaskContext, payload: dict[str, Any]) -> list[dict[str, int]]:
    """Dies of what is no image."""
    if payload["source"].endswith(".txt"):
        raise NonRetryable(f"cannot identify image file {payload['source']!r}")
    return [{"width": size, "height": size * 2 // 3} for size in payload["sizes"]]


@app.task("video.encode", timeout="1h")
async def encode(ctx: TaskContext, payload: dict[str, Any]) -> None:
    """Runs until it is cancelled."""
    for minute in range(60):
        ctx.progress(minute + 25, 100, "second pass")
        await asyncio.sleep(60)


@app.cron("0 3 * * 1-5", tz="Europe/Berlin", id="nightly-report", payload={"table": "orders"})
@app.task("report.export", queue="reports", priority="LOW")
async def export(ctx: TaskContext, payload: dict[str, Any]) -> dict[str, Any]:
    """Returns a number that JavaScript cannot hold."""
    return {"rows": 12345678901234567890, "table": payload["table"]}
