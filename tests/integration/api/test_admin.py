"""Operators' addresses: workers, queues, dead letters, operations, schedules, and who did it."""

import asyncio
from typing import Any

import pytest

from shoal.broker.broker import Broker
from shoal.broker.registry import Registry
from shoal.config import Settings
from shoal.model.worker import WorkerRecord, WorkerState
from tests.support.api import Answer, Api, Client, running_api
from tests.support.builders import Scene, outcome
from tests.support.keys import a_key, record_of, store_keys
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

#: An id that nobody has.
NOBODY = "019ab0c3-a23b-7007-a64f-0deb1923d8e5"
WORKER = WorkerRecord(
    incarnation="web-0.aaaaaa",
    state=WorkerState.IDLE,
    concurrency=10,
    started_at_ms=1,
    last_heartbeat_ms=2,
    host="web",
    pid=1,
    version="1",
)


async def _beat(url: str) -> str:
    broker = await Broker.connect(Settings.load({"REDIS_URL": url}))
    try:
        return (await Registry(broker).beat(WORKER)).desired
    finally:
        await broker.aclose()


def beat(server: RedisServer) -> str:
    """A heartbeat of a worker; what is wished of it."""
    return asyncio.run(_beat(server.url))


@pytest.fixture
def audit(api: Api) -> Any:
    """What the audit log has, newest first: action, target, outcome."""

    def read(query: str = "") -> list[tuple[str, str, str]]:
        entries = api.get(f"/admin/audit{query}").json["entries"]
        return [(entry["action"], entry["target"], entry["outcome"]) for entry in entries]

    return read


def test_workers_are_shown_and_steered(api: Api, valkey: RedisServer, audit: Any) -> None:
    """A pause is told with the next heartbeat; a shutdown is not taken back; who did it is noted."""
    beat(valkey)
    document = api.get("/admin/workers/web-0").json
    assert (document["id"], document["desired"], document["tasks"]) == ("web-0", None, [])
    for verb, desired in (("pause", "paused"), ("resume", ""), ("shutdown", "shutdown")):
        answer = api.request("POST", f"/admin/workers/web-0/{verb}")
        assert (answer.status, answer.json["changed"]) == (202, True)
        assert beat(valkey) == desired
    assert api.request("POST", "/admin/workers/web-0/resume").code == "worker_shutting_down"
    assert api.get("/admin/workers/web-0").json["desired"] == "shutdown"
    for method, path in (("GET", ""), ("POST", "/pause"), ("POST", "/shutdown")):
        assert api.request(method, f"/admin/workers/none{path}").code == "worker_not_found"
    assert audit()[:4] == [
        ("worker.shutdown", "none", "worker_not_found"),
        ("worker.pause", "none", "worker_not_found"),
        ("worker.resume", "web-0", "worker_shutting_down"),
        ("worker.shutdown", "web-0", "done"),
    ]


def test_queues_are_looked_into_paused_and_purged(api: Api, audit: Any) -> None:
    """Over all queues or one; a purge is confirmed by the priority's name."""
    first = api.submit("mail", 1)
    api.submit("mail", 2, queue="other")
    api.submit("mail", 3, priority="HIGH")

    def row(query: str = "") -> Any:
        answer = api.get(f"/admin/queues/normal{query}")
        assert answer.status == 200, answer.body
        return answer.json

    # What was read while the server was emptied is told for half a second more.
    wait_until(lambda: api.get("/admin/queues/normal").json.get("depth") == 2, "both wait")
    assert row("?queue=other")["depth"] == 1
    peeked = api.get("/admin/queues/1/peek?limit=1").json
    assert [task["id"] for task in peeked["tasks"]] == [first]
    assert [t["queue"] for t in api.get("/admin/queues/1/peek?queue=other").json["tasks"]] == [
        "other"
    ]
    paused = api.request("POST", "/admin/queues/NORMAL/pause?queue=other").json
    assert (paused["changed"], paused["paused"]) == (["other"], True)
    assert api.request("POST", "/admin/queues/NORMAL/pause").json["changed"] == ["default"]
    wait_until(lambda: row()["paused"], "it is paused")
    resumed = api.request("POST", "/admin/queues/NORMAL/resume").json
    assert resumed["changed"] == ["default", "other"]
    for query in ("", "?confirm=", "?confirm=yes", "?confirm=HIGH"):
        answer = api.request("DELETE", f"/admin/queues/NORMAL{query}")
        assert (answer.status, answer.code) == (422, "confirmation_needed")
    purged = api.request("DELETE", "/admin/queues/NORMAL?confirm=normal&queue=other")
    assert (purged.json["purged"], purged.json["done"]) == (1, True)
    assert api.request("DELETE", "/admin/queues/NORMAL?confirm=NORMAL").json["purged"] == 1
    assert api.task(first)["state"] == "CANCELLED"
    assert audit()[0] == ("queue.purge", "NORMAL", "done")
    assert api.get("/admin/audit?limit=1").json["entries"][0]["detail"]["purged"] == 1
    assert ("queue.purge", "NORMAL", "confirmation_needed") in audit()
    for path in ("/admin/queues/urgent", "/admin/queues/7", "/admin/queues/normal?queue=a:b"):
        assert api.get(path).code == "invalid_parameter"
    assert api.get("/admin/queues/normal?page=1").code == "invalid_parameter"
    assert api.get("/admin/queues/1/peek?limit=0").code == "invalid_parameter"


def kill_all(server: RedisServer) -> None:
    """A worker claims whatever waits, and settles it DEAD."""

    async def kill() -> None:
        broker = await Broker.connect(Settings.load({"REDIS_URL": server.url}))
        try:
            with server.client() as client:
                scene = Scene(broker, lambda _slot: client)
                for partition in range(broker.partitions):
                    claimed = await scene.claim(want=100, partition=partition)
                    dead = [outcome(c, "dead", detail=b"exhausted:f1") for c in claimed.claims]
                    if dead:
                        await scene.settle(*dead, partition=partition)
        finally:
            await broker.aclose()

    asyncio.run(kill())


def states(api: Api, ids: list[str]) -> set[str]:
    """Where tasks stand."""
    return {api.task(i)["state"] for i in ids}


def settled(api: Api, answer: Answer) -> Any:
    """An operation once it is over."""
    assert answer.status == 202, answer.body
    place = answer.headers["location"]
    wait_until(lambda: api.get(place).json["state"] != "running", "it is over")
    return api.get(place).json


def test_dead_letters_are_listed_grouped_and_retried(
    api: Api, valkey: RedisServer, audit: Any
) -> None:
    """One, by ids, by filter; each move is an operation with its answers."""
    ids = [api.submit("mail", n) for n in range(6)]
    kill_all(valkey)
    assert states(api, ids) == {"DEAD"}
    page = api.get("/admin/dlq?limit=4").json
    assert (len(page["tasks"]), page["total"]) == (4, 6)
    assert page["tasks"][0]["error"] == {"error": 1}
    assert "payload" not in page["tasks"][0]
    assert len(api.get(f"/admin/dlq?cursor={page['next_cursor']}").json["tasks"]) == 2
    [group] = api.get("/admin/dlq/groups").json["groups"]
    assert (group["tasks"], group["type"], group["reason"]) == (6, "mail", "exhausted")
    assert api.request("POST", f"/admin/tasks/{ids[0].upper()}/retry").json == {
        "task_id": ids[0],
        "requeued": True,
        "was": "DEAD",
        "state": "PENDING",
    }
    assert api.request("POST", f"/admin/tasks/{ids[0]}/retry").code == "task_not_requeueable"
    assert api.request("POST", f"/admin/tasks/{NOBODY}/retry").code == "task_not_found"
    assert api.request("POST", "/admin/tasks/7/retry").code == "invalid_id"
    by_ids = api.post({"task_ids": [ids[1], NOBODY]}, "/admin/dlq/retry")
    assert settled(api, by_ids)["answers"] == {"not_found": 1, "requeued": 1}
    chosen = {"type": "mail", "fingerprint": group["fingerprint"], "since": "1h"}
    by_filter = settled(api, api.post({"filter": chosen}, "/admin/dlq/retry"))
    assert (by_filter["answers"], by_filter["progress"]) == ({"requeued": 4}, 1.0)
    assert states(api, ids) == {"PENDING"}
    assert api.request("POST", f"/admin/tasks/{ids[0]}/cancel").json["cancelled"] is True
    assert api.request("POST", f"/admin/tasks/{ids[0]}/cancel").code == "task_not_cancellable"
    assert audit()[1:3] == [("task.cancel", ids[0], "done"), ("dlq.retry", "", "done")]
    detail = api.get("/admin/audit?action=dlq.retry").json["entries"][0]["detail"]
    assert detail["selection"]["type"] == "mail"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/admin/dlq/retry", {}),
        ("/admin/dlq/retry", {"task_ids": []}),
        ("/admin/dlq/retry", {"task_ids": ["7"]}),
        ("/admin/dlq/retry", {"task_ids": [NOBODY], "filter": {}}),
        ("/admin/dlq/retry", {"filter": {"states": ["CANCELLED"]}}),
        ("/admin/dlq/retry", {"filter": {"sate": ["DEAD"]}}),
        ("/admin/dlq/retry", {"filter": {"since": "yesterday"}}),
        ("/admin/dlq/retry", {"filter": {"type": "a b"}}),
        ("/admin/dlq/retry", {"filter": {}, "id": "a b"}),
        ("/api/v1/operations", {"verb": "explode", "filter": {"states": ["DEAD"]}}),
        ("/api/v1/operations", {"verb": "cancel", "filter": {"states": ["DEAD"]}}),
        ("/api/v1/operations", {"verb": "cancel", "filter": {}}),
        ("/api/v1/operations", {"verb": "cancel", "filter": {"states": ["PENDING"]}, "reason": ""}),
        ("/api/v1/operations", {"verb": "cancel"}),
        ("/api/v1/operations", []),
        ("/api/v1/schedules", {"id": "a"}),
    ],
)
def test_bodies_that_do_not_say_what_is_meant_do_nothing(api: Api, path: str, body: Any) -> None:
    """422, with what to write; nothing was begun."""
    answer = api.post(body, path)
    assert (answer.status, answer.code) == (422, "invalid_body")
    assert answer.json["detail"]
    assert api.get("/api/v1/operations").json == {"operations": []}


def test_operations_are_begun_once_stopped_and_gone_on_with(
    api: Api, valkey: RedisServer, audit: Any
) -> None:
    """The same id and wish go on, another wish is refused; deleting needs the highest role."""
    ids = [api.submit("mail", n) for n in range(30)]
    wish = {"verb": "cancel", "filter": {"states": ["PENDING"]}, "reason": "spring", "id": "op-a"}
    done = settled(api, api.post(wish, "/api/v1/operations"))
    assert (done["state"], done["answers"], done["tasks"]) == ("finished", {"cancelled": 30}, 30)
    assert api.task(ids[0])["reason"] == "spring"
    assert settled(api, api.post(wish, "/api/v1/operations"))["tasks"] == 30
    assert api.post({**wish, "reason": "x"}, "/api/v1/operations").code == "operation_conflict"
    assert api.get("/api/v1/operations/op-b").code == "operation_not_found"
    assert api.request("POST", "/api/v1/operations/op-b/stop").code == "operation_not_found"
    assert api.request("POST", "/api/v1/operations/op-a/stop").json["state"] == "finished"
    [listed] = api.get("/api/v1/operations?limit=5").json["operations"]
    assert listed["id"] == "op-a"
    store_keys(valkey.url, record_of(a_key(3), "operator"))
    operator = Client(api.ports, a_key(3))
    remove = {"verb": "delete", "filter": {"states": ["CANCELLED"]}}
    assert operator.post(remove, "/api/v1/operations").code == "forbidden"
    assert audit("?who=key:aaaaaaaaad") == [("operation.begin", "", "forbidden")]
    assert settled(api, api.post(remove, "/api/v1/operations"))["state"] == "finished"


def test_an_operation_outlives_its_process(proven: RedisServer) -> None:
    """Another API process goes on with it after a silence, and it ends as it would have."""
    with running_api(proven.url) as first, running_api(proven.url) as second:
        first.batch(*({"type": "mail", "payload": n} for n in range(1000)))
        wish = {"verb": "cancel", "filter": {"states": ["PENDING"]}, "id": "op-a"}
        with proven.client() as client:
            # As if its process had died right after it was begun.
            assert first.post(wish, "/api/v1/operations").status == 202
            first.process.kill()
            first.process.wait()
            key = "{shoal}:operation:op-a"
            if client.hget(key, "state") == b"running":
                client.hset(key, "beat", 1)
        wait_until(
            lambda: second.get("/api/v1/operations/op-a").json["state"] == "finished",
            "the other one goes on",
            timeout_s=40,
        )
        assert second.get("/api/v1/tasks?state=CANCELLED&limit=1").json["total"] == 1000


def test_schedules_are_added_paused_triggered_and_removed(api: Api, audit: Any) -> None:
    """As by the command; the task of a trigger is an ordinary one."""
    body = {"id": "daily", "cron": "0 9 * * *", "type": "mail", "payload": {"a": 1}}
    made = api.post(body, "/api/v1/schedules")
    assert (made.status, made.headers["location"]) == (201, "/api/v1/schedules/daily")
    assert api.post(body, "/api/v1/schedules").status == 201
    assert api.post({**body, "cron": "@hourly"}, "/api/v1/schedules").code == "schedule_exists"
    for wrong in ({"cron": "x"}, {"tz": "Mars"}, {"missed": "x"}, {"priority": 9}, {"id": "a b"}):
        answer = api.post({**body, **wrong}, "/api/v1/schedules")
        assert answer.code == "invalid_schedule", wrong
    assert [s["id"] for s in api.get("/api/v1/schedules").json["schedules"]] == ["daily"]
    paused = api.request("POST", "/api/v1/schedules/daily/pause").json
    assert (paused["paused"], paused["next"]) == (True, None)
    assert api.request("POST", "/api/v1/schedules/daily/resume").json["paused"] is False
    run = api.request("POST", "/api/v1/schedules/daily/trigger")
    assert run.status == 202
    task = api.task(run.json["task_id"])
    assert (task["payload"], task["metadata"]["schedule"]) == ({"a": 1}, "daily")
    assert api.get("/api/v1/schedules/daily").json["id"] == "daily"
    assert api.request("DELETE", "/api/v1/schedules/daily").status == 204
    for method, path in (
        ("DELETE", "daily"),
        ("GET", "all"),
        ("POST", "daily/pause"),
        ("POST", "daily/resume"),
        ("POST", "daily/trigger"),
    ):
        assert api.request(method, f"/api/v1/schedules/{path}").code == "schedule_not_found"
    assert ("schedule.add", "", "done") in audit()
    assert ("schedule.remove", "daily", "done") in audit()


def test_the_whole_in_one_document(api: Api, valkey: RedisServer) -> None:
    """Workers, slots, depths, states."""
    beat(valkey)
    api.submit("mail", priority="HIGH")
    wait_until(
        lambda: api.get("/admin/metrics").json.get("depth", {}).get("HIGH") == 1, "it is counted"
    )
    document = api.get("/admin/metrics").json
    assert (document["workers"], document["slots"], document["running"]) == (1, 10, 0)
    assert document["tasks"]["PENDING"] == 1
    assert document["dlq"] == 0


def test_the_audit_log_has_pages(api: Api) -> None:
    """Newest first, without a gap; what is no cursor is refused."""
    for number in range(7):
        api.request("POST", f"/admin/tasks/{number}/retry")
    seen: list[str] = []
    cursor = ""
    while True:
        page = api.get(f"/admin/audit?limit=3{cursor}").json
        seen += [entry["target"] for entry in page["entries"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [str(number) for number in reversed(range(7))]
    assert api.get("/admin/audit?cursor=x").code == "invalid_parameter"
    assert api.get("/admin/audit?limit=201").code == "invalid_parameter"
