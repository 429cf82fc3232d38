"""Brings everything up on this machine, submits real work and shows each result.

``./scripts/run`` runs it. It starts ``shoal up`` (an embedded Valkey, a supervisor, its shards)
and an SMTP server, and goes on until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from examples.app import Email, Export, Photograph, app
from examples.mail_server import mail_server
from examples.real_input import build_database, photographs
from shoal.client import TaskHandle
from shoal.embedded.tether import tethered
from shoal.errors import ShoalError, TaskFailed

#: Everything the demonstration writes.
FOLDER = Path(os.environ.get("SHOAL_DEMO_FOLDER", ".shoal/demo"))
_START_TIMEOUT_S = 60.0


class StartFailed(Exception):
    """``shoal up`` ended, or was not up in time; it has said why itself."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@asynccontextmanager
async def shoal_up(data_dir: Path, smtp: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``shoal up`` as a child that ends with this process, however it ends."""
    command = [sys.executable, "-m", "shoal", "up", "examples.app:app", "--data-dir", str(data_dir)]
    environment = {"LOG_LEVEL": "warning", **os.environ, "EXAMPLE_SMTP": smtp}
    environment.pop("REDIS_URL", None)
    process = await asyncio.create_subprocess_exec(
        *tethered(command, signal.SIGTERM),
        env=environment,
        process_group=0,  # Ctrl-C is for this process, which ends the others in their order
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def redis_url(data_dir: Path, up: asyncio.subprocess.Process) -> str:
    """Where the embedded Valkey of ``shoal up`` is, once it is there."""
    file = data_dir / "redis.url"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and up.returncode is None:
        if file.exists():
            return file.read_text("utf-8")
        await asyncio.sleep(0.05)
    raise StartFailed(up.returncode or 1)


async def submit_work(folder: Path) -> list[tuple[str, TaskHandle]]:
    """Mail, thumbnails and exports; (what it is, handle) of each task."""
    body = "This mail came through a task queue.\n"
    mails = [
        Email("ada@example.com", "Your invoice", body),
        Email("grace@example.com", "Your order has left", body),
        Email("kurt@greylisted.example", "Patience", body),
        Email("nobody@unknown.example", "Is anybody there?", body),
    ]
    work = [
        (f"mail to {mail.to}", handle)
        for mail, handle in zip(mails, await app.submit_many("email.send", mails), strict=True)
    ]
    for photograph in photographs():
        payload = Photograph(str(photograph), str(folder / "thumbnails"), [64, 256])
        handle = await app.submit("image.thumbnail", payload)
        work.append((f"thumbnails of {photograph.name}", handle))
    database = folder / "reference.sqlite"
    for table in await asyncio.to_thread(build_database, database):
        handle = await app.submit("report.export", Export(str(database), table, str(folder)))
        work.append((f"export of {table}", handle))
    return work


async def show(title: str, handle: TaskHandle) -> None:
    """One line for one result."""
    try:
        result = await handle.result()
    except TaskFailed as error:
        reason = (error.task.error or {}).get("message", error.task.reason)
        say(f"  DEAD       {title:34} {reason}")
        return
    task = await handle.task()
    tries = f" at attempt {task.attempts}" if task.attempts > 1 else ""
    say(f"  COMPLETED  {title:34} {describe(result)}{tries}")


def describe(result: Any) -> str:
    """A result in a few words."""
    if isinstance(result, list):
        return ", ".join(f"{one['width']}x{one['height']} ({one['bytes']} B)" for one in result)
    if "rows" in result:
        files = ", ".join(f"{Path(k).name} ({v} B)" for k, v in result["files"].items())
        return f"{result['rows']} rows: {files}"
    return f"{result['bytes']} B as {result['message_id']}"


async def demonstrate(folder: Path, stopped: asyncio.Event) -> int:
    """All of it, until ``stopped`` is set; the exit status."""
    data_dir = folder.parent
    say("Starting an SMTP server and `shoal up examples.app:app` …")
    async with mail_server(folder / "mail") as smtp, shoal_up(data_dir, smtp) as up:
        url = await redis_url(data_dir, up)
        os.environ["REDIS_URL"] = url  # the application reads its settings when it connects
        async with app:
            say("Submitting mails, thumbnails of photographs, and exports of a database:")
            work = await submit_work(folder)
            await until(stopped, up, asyncio.gather(*(show(*item) for item in work)))
            if not stopped.is_set():
                say(f"All results are there; the files are in {folder}")
                say("Everything stays up until Ctrl-C. In another terminal, say:")
                say(f'  export REDIS_URL="$(cat {data_dir / "redis.url"})"')
                mail = msgspec.json.encode(Email("you@example.com", "Hello", "From a shell"))
                command = Path(sys.executable).with_name("shoal")
                say(f"  {command} submit email.send '{mail.decode()}' --wait")
                say(f"  {command} workers")
                await until(stopped, up, None)
            if up.returncode is not None:
                raise StartFailed(up.returncode)
        say("Stopping …")
    say("Stopped.")
    return 0


async def until(
    stopped: asyncio.Event, up: asyncio.subprocess.Process, work: asyncio.Future[Any] | None
) -> None:
    """Until the work is done, or the user or ``shoal up`` ends it."""
    waits = {asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(up.wait())}
    if work is not None:
        waits.add(work)  # type: ignore[arg-type]  # any future will do
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for waiting in rest:
        waiting.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    if work is not None and work in done:
        work.result()


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


async def main(folder: Path) -> int:
    """Run the demonstration; the process's exit status.

    Args:
        folder: For all that it writes; the server's data are beside it.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        return await demonstrate(folder, stopped)
    except StartFailed as error:
        return error.status
    except ShoalError as error:
        print(f"error: {error}. {error.remedy}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(asyncio.run(main(FOLDER.absolute())))
