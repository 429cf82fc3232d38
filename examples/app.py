"""The application of the examples: ``shoal worker examples.app:app``.

Three things that nearly every system does in the background: it sends mail, makes thumbnails,
and exports data. A task may run more than once (at least once is the promise), so each handler
is written so that a second run does no harm.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated

import msgspec

from examples import exporting, thumbnails
from shoal import NonRetryable, RetryPolicy, Shoal, TaskContext

app = Shoal()


class Email(msgspec.Struct):
    """What ``email.send`` takes; a payload that does not fit never reaches the handler."""

    to: Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    body: str
    sender: str = "shoal@example.com"


class Photograph(msgspec.Struct):
    """What ``image.thumbnail`` takes."""

    source: str
    folder: str
    sizes: list[Annotated[int, msgspec.Meta(ge=16, le=2048)]]


class Export(msgspec.Struct):
    """What ``report.export`` takes."""

    database: str
    table: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]+$")]
    folder: str


@app.task(
    "email.send",
    timeout="30s",
    # A mail server that says "try again later" means it: soon at first, then less often.
    retry=RetryPolicy(max_retries=5, initial_backoff=0.5, max_backoff=60, jitter=False),
    priority="HIGH",
)
def send_email(ctx: TaskContext, payload: Email) -> dict[str, str | int]:
    """Deliver one mail over SMTP. ``smtplib`` blocks, so this is a ``def`` and runs in a thread."""
    message = EmailMessage()
    message["From"], message["To"] = payload.sender, payload.to
    message["Subject"] = payload.subject
    # The same over all attempts: a mailbox that has it already knows the second one as a copy.
    message["Message-ID"] = f"<{ctx.id}@example.com>"
    message.set_content(payload.body)
    host, _, port = os.environ.get("EXAMPLE_SMTP", "127.0.0.1:8025").rpartition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=10) as smtp:
            smtp.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        [(code, text)] = error.recipients.values()
        if code >= 500:
            raise NonRetryable(f"{code} {text.decode()}") from error
        raise
    return {"message_id": message["Message-ID"], "bytes": len(bytes(message))}


@app.task("image.thumbnail", timeout="1m")
def make_thumbnails(ctx: TaskContext, payload: Photograph) -> list[thumbnails.Thumbnail]:
    """Make small pictures of one photograph; it uses the processor, so it runs in a thread."""
    made = []
    for size in payload.sizes:
        if ctx.cancelled:
            break
        made.append(thumbnails.make(Path(payload.source), Path(payload.folder), size))
    return made


@app.task("report.export", timeout="5m", queue="reports")
async def export_table(ctx: TaskContext, payload: Export) -> exporting.Exported:
    """Export one table of a database as CSV and JSON."""
    return await asyncio.to_thread(
        exporting.export, Path(payload.database), payload.table, Path(payload.folder)
    )
