"""Tasks are read, waited for, cancelled and listed."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shoal.broker.broker import Broker
from shoal.broker.results import Outcome
from shoal.config import Settings
from shoal.model.attempt import line_tail
from shoal.model.identity import task_id
from tests.support.api import Api, Client
from tests.support.processes import shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

UNKNOWN = task_id(0, 1_700_000_000_000, 1)
ELSEWHERE = task_id(4000, 1_700_000_000_000, 1)

MODULE = """
import asyncio
from shoal import Shoal

app = Shoal()

@app.task("double")
async def double(ctx, payload):
    return payload * 2

@app.task("slow")
async def slow(ctx, payload):
    await asyncio.sleep(payload)
"""


@pytest.fixture
def worker(valkey: RedisServer, tmp_path: Path) -> Iterator[None]:
    """A worker with one shard."""
    (tmp_path / "tasks.py").write_text(MODULE)
    env = {"REDIS_URL": valkey.url}
    with shoal("worker", "-n", "1", "tasks:app", env=env, cwd=tmp_path) as child:
        child.wait_for_output("shard 0 is ready")
        yield
        child.terminate()
        assert child.wait() == 0


@pytest.mark.parametrize("task", [UNKNOWN, ELSEWHERE, UNKNOWN.upper()])
def test_an_unknown_id_is_not_found(api: Api, task: str) -> None:
    """Also one of a partition that does not exist."""
    for method in ("GET", "DELETE"):
        answer = api.request(method, f"/api/v1/tasks/{task}")
        assert (answer.status, answer.code) == (404, "task_not_found")
    assert api.get(f"/api/v1/tasks/{task}?wait=5s").code == "task_not_found"


@pytest.mark.parametrize(
    "text",
    ["7", "%00", "%ff%fe", "..%2f..", "a" * 4000, UNKNOWN + "%0a", UNKNOWN.replace("7", "4")],
)
def test_what_is_no_id_is_refused(api: Api, text: str) -> None:
    """As 400, whatever bytes it has."""
    for method in ("GET", "DELETE"):
        assert api.request(method, f"/api/v1/tasks/{text}").code in ("invalid_id", "not_found")


def test_a_result_is_waited_for(api: Api, worker: None) -> None:
    """The answer comes when the task has ended, with result and history."""
    began_s = time.monotonic()
    task = api.get(f"/api/v1/tasks/{api.submit('double', 21)}?wait=30s").json
    assert time.monotonic() - began_s < 10
    assert (task["state"], task["result"], task["attempts"]) == ("COMPLETED", 42, 1)
    [attempt] = task["history"]
    assert (attempt["number"], attempt["outcome"]) == (1, "completed")
    assert task["worker_id"] == attempt["worker_id"]


def test_a_wait_ends_with_its_time(api: Api) -> None:
    """With the task as it stands; not before, and not much later."""
    task = api.submit()
    began_s = time.monotonic()
    answer = api.get(f"/api/v1/tasks/{task}?wait=600ms")
    assert 0.6 <= time.monotonic() - began_s < 3
    assert (answer.status, answer.json["state"]) == (200, "PENDING")
    for wait in ("x", "-1", "61s", "1e9", ""):
        assert api.get(f"/api/v1/tasks/{task}?wait={wait}").code == "invalid_parameter"


def test_many_wait_at_once(api: Api) -> None:
    """For one task; its end is told to all."""
    task = api.submit()
    with ThreadPoolExecutor(20) as pool:
        waits = [pool.submit(api.get, f"/api/v1/tasks/{task}?wait=20s") for _ in range(20)]
        assert api.request("DELETE", f"/api/v1/tasks/{task}").status == 200
        assert {wait.result().json["state"] for wait in waits} == {"CANCELLED"}


def test_a_waiting_task_is_cancelled_at_once(api: Api) -> None:
    """200; a second time it has ended already, which is a conflict that says how."""
    for task in (api.submit(), api.submit(delay="1h")):
        answer = api.request("DELETE", f"/api/v1/tasks/{task}")
        assert answer.status == 200
        assert answer.json == {"task_id": task, "cancelled": True, "state": "CANCELLED"}
        again = api.request("DELETE", f"/api/v1/tasks/{task}")
        assert (again.status, again.code) == (409, "task_not_cancellable")
        assert again.json["state"] == "CANCELLED"
        assert api.task(task)["reason"] == "requested"


def test_a_running_task_is_asked_to_stop(api: Api, worker: None) -> None:
    """202, and then it is CANCELLED."""
    task = api.submit("slow", 60)
    wait_until(lambda: api.task(task)["state"] == "RUNNING", "it runs")
    answer = api.request("DELETE", f"/api/v1/tasks/{task}")
    assert answer.status == 202
    assert answer.json == {
        "task_id": task,
        "cancelled": False,
        "cancel_requested": True,
        "state": "RUNNING",
    }
    assert api.get(f"/api/v1/tasks/{task}?wait=20s").json["state"] == "CANCELLED"


async def _settle(url: str, number: int, word: str, me: str) -> None:
    """Claim some tasks and settle them, as a shard does, and leave."""
    broker = await Broker.connect(Settings.load({"REDIS_URL": url}))
    try:
        for partition in range(broker.partitions):
            if number <= 0:
                return
            claimed = await broker.claim(partition, me, 1, number)
            number -= len(claimed.claims)
            tail = line_tail(1_700_000_000_000, 500, word, "")
            detail = b"exhausted" if word == "dead" else b""
            body = b'{"type":"E","message":"m"}' if word == "dead" else b'{"n":1}'
            outcomes = [
                Outcome(claim.token, claim.id, claim.type, word, detail, body, tail)  # type: ignore[arg-type]
                for claim in claimed.claims
            ]
            if outcomes:
                assert set(await broker.settle(partition, me, outcomes)) == {"ok"}
    finally:
        for partition in range(broker.partitions):
            await broker.release(partition, me, "drained")
        await broker.aclose()


def pages(client: Client, query: str) -> list[str]:
    """All ids of a list, page after page, by cursor."""
    ids: list[str] = []
    cursor = ""
    while True:
        page = client.get(f"/api/v1/tasks?{query}{cursor}").json
        ids += [task["id"] for task in page["tasks"]]
        if page["next_cursor"] is None:
            return ids
        cursor = f"&cursor={page['next_cursor']}"


def test_lists_have_exact_totals_and_whole_pages(api: Api, valkey: RedisServer) -> None:
    """By state and type; every task is on exactly one page, by cursor and by offset."""
    mails = {r["task_id"] for r in api.batch(*_alike("mail", 130)).json["results"]}
    reports = {r["task_id"] for r in api.batch(*_alike("report", 70)).json["results"]}
    later = {r["task_id"] for r in api.batch(*_alike("report", 30, delay="1h")).json["results"]}
    for query, ids in (
        ("state=PENDING", mails | reports),
        ("state=pending&type=mail", mails),
        ("state=SCHEDULED", later),
        ("type=report", reports | later),
        ("", mails | reports | later),
    ):
        for limit in (7, 200):
            listed = pages(api, f"{query}&limit={limit}")
            assert len(listed) == len(ids), query
            assert set(listed) == ids
        assert api.get(f"/api/v1/tasks?{query}").json["total"] == len(ids)
        by_offset = [
            task["id"]
            for offset in range(0, len(ids), 50)
            for task in api.get(f"/api/v1/tasks?{query}&limit=50&offset={offset}").json["tasks"]
        ]
        assert sorted(by_offset) == sorted(ids)
    assert api.get("/api/v1/tasks?type=unknown").json == {
        "tasks": [], "total": 0, "limit": 50, "offset": 0, "next_cursor": None,
    }  # fmt: skip


def _alike(type: str, number: int, **fields: object) -> list[dict[str, object]]:
    return [{"type": type, "payload": n, **fields} for n in range(number)]


def test_lists_show_how_tasks_ended(api: Api, valkey: RedisServer) -> None:
    """Payload, result, error and attempts only when they are asked for."""
    api.batch(*_alike("mail", 40))
    asyncio.run(_settle(valkey.url, 25, "completed", "w-0.aaaaaa"))
    asyncio.run(_settle(valkey.url, 1000, "dead", "w-0.bbbbbb"))
    done = api.get("/api/v1/tasks?state=COMPLETED&limit=200").json
    dead = api.get("/api/v1/tasks?state=DEAD&include=error,attempts").json
    assert done["total"] == len(done["tasks"])
    assert done["total"] + dead["total"] == 40
    assert not {"payload", "result", "error", "history"} & done["tasks"][0].keys()
    for task in dead["tasks"]:
        assert task["error"]["message"] == "m"
        assert len(task["history"]) == 1
        assert "payload" not in task
    full = api.get("/api/v1/tasks?state=COMPLETED&include=payload,result&limit=1").json["tasks"][0]
    assert full["result"] == {"n": 1}
    assert full["payload"] in range(40)


def test_wrong_queries_are_refused(api: Api) -> None:
    """As 400; nothing is ignored."""
    for query in ("state=DONE", "limit=0", "limit=201", "offset=1001", "cursor=x", "page=1"):
        answer = api.get(f"/api/v1/tasks?{query}")
        assert (answer.status, answer.code) == (400, "invalid_parameter")
