"""The client without asyncio, and sites of three frameworks that use it."""

import json
import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shoal.client import SyncClient
from shoal.errors import ResultTimeout, TaskNotFound
from tests.integration.client.conftest import UNKNOWN, url
from tests.support.api import KEY, Api
from tests.support.ports import reserve_port
from tests.support.processes import ROOT, python, shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until


def test_threads_share_one(sync_client: SyncClient) -> None:
    """Eight threads submit and read through one client; each gets its own answers."""

    def work(number: int) -> bool:
        handle = sync_client.submit("mail", number)
        return bool(handle.task().payload == number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
    assert len(list(sync_client.tasks(type="mail", page_size=50))) == 200


def test_the_verbs_of_tasks(sync_client: SyncClient, valkey: RedisServer) -> None:
    """Submit, wait, cancel; what is not there raises as it does with asyncio."""
    with shoal(
        "worker", "-n", "1", "tests.support.tasks_program:app", env={"REDIS_URL": valkey.url}
    ) as worker:
        assert sync_client.submit("double", 4).result("20s") == 8
        worker.terminate()
        assert worker.wait() == 0
    later = sync_client.submit_many("double", [1, 2], delay="1h")[1]
    with pytest.raises(ResultTimeout):
        sync_client.result(later.id, 0.1)
    assert later.cancel()
    with pytest.raises(TaskNotFound):
        sync_client.task(UNKNOWN)
    assert sync_client.schedules.all() == []


def test_events_are_iterated(sync_client: SyncClient) -> None:
    """An iterator of what happens, resumed after an event by its id."""
    with ThreadPoolExecutor(1) as pool:
        stream = sync_client.events(events=["task.submitted"])
        first = pool.submit(lambda: next(stream))
        wait_until(lambda: bool(sync_client.submit("mail").id) and first.done(), "an event is told")
        event = first.result()
        stream.close()
    assert event.type == "task.submitted"
    wanted = sync_client.submit("mail")
    resumed = sync_client.events(events=["task.submitted"], since=event.id)
    assert any(event.data["task_id"] == wanted.id for event in resumed)
    resumed.close()


@pytest.mark.parametrize("framework", ["django", "fastapi", "flask"])
def test_a_site_submits_by_it(api: Api, framework: str) -> None:
    """A real server of the framework answers with the id of a task that is there, and with 404 for none."""
    env = {**os.environ, "SHOAL_URL": url(api.ports.public), "API_KEY": KEY}
    program = str(Path(ROOT, "examples", "clients", f"{framework}_app.py"))
    with reserve_port() as port, python("-W", "ignore", program, str(port.port), env=env) as site:
        base = url(port.port)

        def get(path: str) -> int:
            try:
                with urllib.request.urlopen(f"{base}{path}", timeout=10) as answer:  # noqa: S310 - loopback
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code
            except OSError:
                assert site.returncode is None, site.stderr
                return 0

        wait_until(lambda: get(f"/mails/{UNKNOWN}") == 404, f"{framework} serves", 30.0)
        body = json.dumps({"to": "ada@example.org"}).encode()
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{base}/mails", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.status == 202
            task_id = json.load(answer)["id"]
        assert api.task(task_id)["payload"] == {"to": "ada@example.org"}
        assert get(f"/mails/{task_id}") == 200
