"""A whole Shoal of its own, with tasks in every state: for the tests, and for the pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.api import KEY, Client, Ports
from tests.support.processes import shoal
from tests.support.waiting import wait_until

#: At most once in a while that a full stack takes to start on a busy machine.
START_S = 60.0


@contextlib.contextmanager
def running_stack(folder: Path, *, shards: int = 2) -> Iterator[Client]:
    """``shoal up`` with workers and API; a client of it.

    Args:
        folder: Where its data go.
        shards: Worker processes.
    """
    with Ports() as ports:
        arguments = ["-n", str(shards), "-c", "8", "--data-dir", str(folder)]
        settings = {"API_KEY": KEY, **ports.env}
        with shoal("up", *arguments, "tests.browser.program:app", env=settings) as child:
            client = Client(ports)
            child.wait_for_output("The API is up", timeout_s=START_S)
            wait_until(lambda: client.get("/readyz").status == 200, "the API is ready", START_S)
            yield client
            child.terminate()
            child.wait()


def fill(client: Client) -> dict[str, str]:
    """Submit tasks that end in each state, and wait until they do; state → id of one of them."""
    wrong = "/srv/uploads/notes.txt"
    tasks: list[dict[str, Any]] = [
        *[_task("email.send", {"to": f"user{n}@example.com"}) for n in range(40)],
        *[_task("email.send", {"to": f"full{n}@example.com"}) for n in range(4)],
        *[_task("image.thumbnail", {"source": f"{n}.jpg", "sizes": [64, 256]}) for n in range(25)],
        *[_task("image.thumbnail", {"source": wrong, "sizes": [64]}) for _ in range(6)],
        *[_task("video.encode", {"file": f"film-{n}.mkv"}) for n in range(5)],
        *[_task("report.export", {"table": name}) for name in ("orders", "customers")],
        _task("report.export", {"table": "archive"}, delay="6h", metadata={"asked_by": "ada"}),
        _task("report.export", {"table": "tomorrow"}, delay="1d"),
    ]
    answer = client.batch(*tasks)
    assert answer.status == 202, answer.body
    cancelled = client.submit("report.export", {"table": "wrong"}, delay="1h")
    assert client.request("DELETE", f"/api/v1/tasks/{cancelled}").status == 200
    # Nobody takes these: they wait.
    paused = client.request("POST", "/admin/queues/LOW/pause?queue=archive")
    assert paused.status == 200, paused.body
    client.batch(
        *[_task("report.export", {"table": f"year{n}"}, queue="archive") for n in range(12)]
    )
    wanted = {
        "COMPLETED": 67,
        "FAILED": 4,
        "DEAD": 6,
        "RUNNING": 5,
        "SCHEDULED": 2,
        "CANCELLED": 1,
        "PENDING": 12,
    }
    wait_until(lambda: _at_least(client, wanted), "tasks have come to every state", START_S)
    return {state: _one(client, state) for state in wanted}


def _task(type: str, payload: Any, **more: Any) -> dict[str, Any]:
    return {"type": type, "payload": payload, **more}


def _at_least(client: Client, wanted: dict[str, int]) -> bool:
    states = client.get("/api/v1/dashboard/snapshot").json["states"]
    return all(states[state] >= number for state, number in wanted.items())


def _one(client: Client, state: str) -> str:
    found: str = client.get(f"/api/v1/tasks?state={state}&limit=1").json["tasks"][0]["id"]
    return found
