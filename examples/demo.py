"""Brings everything up on this machine, submits real work over HTTP and shows each result.

``./scripts/run`` runs it. It starts ``shoal up`` (an embedded Valkey, a supervisor with its
shards, the HTTP API) and an SMTP server, and goes on until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from examples.app import Email, Export, Photograph
from examples.host import Doors, StartFailed, api_key, choose_doors, shoal_up, until_ready
from examples.http_client import HttpClient, Refused
from examples.mail_server import mail_server
from examples.real_input import build_database, photographs
from shoal.config import Settings
from shoal.errors import ShoalError

#: Everything the demonstration writes.
FOLDER = Path(os.environ.get("SHOAL_DEMO_FOLDER", ".shoal/demo"))

#: What a task is, and its id.
Work = list[tuple[str, str]]


async def submit_work(client: HttpClient, folder: Path) -> Work:
    """Mails in one request, thumbnails and exports one by one."""
    body = "This mail came through a task queue.\n"
    mails = [
        Email("ada@example.com", "Your invoice", body),
        Email("grace@example.com", "Your order has left", body),
        Email("kurt@greylisted.example", "Patience", body),
        Email("nobody@unknown.example", "Is anybody there?", body),
    ]
    ids = await client.submit_batch(
        [{"type": "email.send", "payload": msgspec.to_builtins(mail)} for mail in mails]
    )
    work = [(f"mail to {mail.to}", task_id) for mail, task_id in zip(mails, ids, strict=True)]
    for photograph in photographs():
        wanted = Photograph(str(photograph), str(folder / "thumbnails"), [64, 256])
        task_id = await client.submit("image.thumbnail", msgspec.to_builtins(wanted))
        work.append((f"thumbnails of {photograph.name}", task_id))
    database = folder / "reference.sqlite"
    for table in await asyncio.to_thread(build_database, database):
        export = Export(str(database), table, str(folder))
        task_id = await client.submit("report.export", msgspec.to_builtins(export))
        work.append((f"export of {table}", task_id))
    return work


async def show(client: HttpClient, title: str, task_id: str) -> None:
    """One line for one result, once it is there."""
    task = await client.ended(task_id)
    if task["state"] == "COMPLETED":
        tries = f" at attempt {task['attempts']}" if task["attempts"] > 1 else ""
        said = f"{describe(task['result'])}{tries}"
    else:
        said = (task["error"] or {}).get("message") or task["reason"]
    say(f"  {task['state']:9}  {title:34} {said}")


def describe(result: Any) -> str:
    """A result in a few words."""
    if isinstance(result, list):
        return ", ".join(f"{one['width']}x{one['height']} ({one['bytes']} B)" for one in result)
    if "rows" in result:
        files = ", ".join(f"{Path(k).name} ({v} B)" for k, v in result["files"].items())
        return f"{result['rows']} rows: {files}"
    return f"{result['bytes']} B as {result['message_id']}"


def curl_lines(doors: Doors, key: str, task_id: str) -> list[str]:
    """Commands for a shell that work as they stand.

    Args:
        doors: Where the API is.
        key: Its key.
        task_id: Of a task that there is.
    """
    mail = Email("you@example.com", "Hello", "From a shell")
    body = msgspec.json.encode({"type": "email.send", "payload": mail}).decode()
    auth = ["-H", f"X-API-Key: {key}"]
    tasks = f"{doors.url}/api/v1/tasks"
    commands = [
        ["curl", "-s", tasks, *auth, "-H", "Content-Type: application/json", "-d", body],
        ["curl", "-s", f"{tasks}/{task_id}?wait=10s", *auth],
        ["curl", "-s", f"{tasks}?state=COMPLETED&limit=3", *auth],
        ["curl", "-s", f"{doors.admin_url}/admin/queues", *auth],
        ["curl", "-s", f"{doors.url}/health"],
    ]
    return [shlex.join(command) for command in commands]


async def demonstrate(folder: Path, stopped: asyncio.Event) -> int:
    """All of it, until ``stopped`` is set; the exit status."""
    settings = Settings.from_environment()
    doors = choose_doors(settings, say)
    data_dir = folder.parent
    say("Starting an SMTP server and `shoal up examples.app:app` …")
    async with mail_server(folder / "mail") as smtp, shoal_up(data_dir, doors, smtp) as up:
        key = await until(stopped, up, api_key(data_dir, settings, up))
        if key is not None:
            async with HttpClient.connect(doors.url, key) as client:
                await until(stopped, up, until_ready(client, up))
                await until(stopped, up, play(client, doors, key, folder))
        if not stopped.is_set() and up.returncode is None:
            say("Everything stays up until Ctrl-C.")
            await until(stopped, up, None)
        if up.returncode is not None and not stopped.is_set():
            raise StartFailed(up.returncode)
        say("Stopping …")
    say("Stopped.")
    return 0


async def play(client: HttpClient, doors: Doors, key: str, folder: Path) -> None:
    """Submit, show each result, and say how to go on by hand."""
    say(f"The API is at {doors.url}, for operators at {doors.admin_url}; its key is {key}")
    say("Submitting over HTTP: mails, thumbnails of photographs, exports of a database:")
    work = await submit_work(client, folder)
    await asyncio.gather(*(show(client, *item) for item in work))
    say(f"All results are there; the files are in {folder}")
    say("In another terminal, each of these lines works as it stands:")
    for line in curl_lines(doors, key, work[0][1]):
        say(f"  {line}")


async def until(
    stopped: asyncio.Event, up: asyncio.subprocess.Process, work: Coroutine[Any, Any, Any] | None
) -> Any:
    """What the work returns; ``None`` when the user or ``shoal up`` ends it before."""
    if work is not None and (stopped.is_set() or up.returncode is not None):
        work.close()
        return None
    waits: set[asyncio.Future[Any]] = {
        asyncio.ensure_future(stopped.wait()),
        asyncio.ensure_future(up.wait()),
    }
    working = asyncio.ensure_future(work) if work is not None else None
    if working is not None:
        waits.add(working)
    done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for waiting in rest:
        waiting.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    return working.result() if working is not None and working in done else None


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
    except (Refused, aiohttp.ClientError) as error:
        print(f"error: the API did not take it: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(FOLDER.absolute())))
