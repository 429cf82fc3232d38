"""What operators do on the dashboard's pages, over the addresses that those use."""

from typing import Any

import pytest

from tests.support.api import KEY, Api, Client
from tests.support.keys import a_key, record_of, store_keys
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

AT = "/api/v1/dashboard"


def test_queues_are_paused_and_purged_on_the_clients_port(api: Api) -> None:
    """As on the operators' port, with the same audit log."""
    task_id = api.submit("mail", queue="post")
    assert api.request("POST", f"{AT}/queues/NORMAL/pause?queue=post").json["changed"] == ["post"]
    peeked = api.get(f"{AT}/queues/NORMAL/peek?queue=post").json["tasks"]
    assert [row["id"] for row in peeked] == [task_id]
    purged = api.request("DELETE", f"{AT}/queues/NORMAL?queue=post&confirm=NORMAL")
    assert purged.json["purged"] == 1
    actions = [entry["action"] for entry in api.get(f"{AT}/audit").json["entries"]]
    assert actions == ["queue.purge", "queue.pause"]
    assert api.request("POST", f"{AT}/workers/none/pause").code == "worker_not_found"


@pytest.mark.parametrize(("number", "role"), [(1, "viewer"), (2, "submitter"), (3, "operator")])
def test_each_role_does_what_it_may(api: Api, valkey: RedisServer, number: int, role: str) -> None:
    """Who may not is refused, whatever a page shows; reading names and numbers needs no more than to see."""
    key = a_key(70 + number)
    store_keys(valkey.url, record_of(key, role))
    client = Client(api.ports, key)
    may_operate = role == "operator"
    api.submit("mail")
    assert client.get(f"{AT}/queues/NORMAL/peek").status == 200
    assert client.get(f"{AT}/system").status == 200
    assert client.request("POST", f"{AT}/queues/NORMAL/pause").status == (
        200 if may_operate else 403
    )
    assert client.request("DELETE", f"{AT}/queues/NORMAL?confirm=NORMAL").status == 403
    for address in ("config", "audit"):
        assert client.get(f"{AT}/{address}").status == 403
    body = {"verb": "cancel", "filter": {"states": ["PENDING"]}}
    answer = client.post(body, "/api/v1/operations")
    assert answer.status == (202 if may_operate else 403)


def test_a_requeue_goes_as_slowly_as_it_is_told(api: Api) -> None:
    """One a second: it stands when some are done, and stops when it is told to."""
    ids = [api.submit("mail", delay="1h") for _ in range(12)]
    for task_id in ids:
        api.request("DELETE", f"/api/v1/tasks/{task_id}")
    body = {"verb": "requeue", "filter": {"states": ["CANCELLED"]}, "rate": 1}
    begun = api.post(body, "/api/v1/operations")
    assert (begun.status, begun.json["rate"]) == (202, 1.0)
    address = begun.headers["location"]

    def seen() -> Any:
        return api.get(address).json

    wait_until(lambda: seen()["tasks"] >= 2, "two are done", 20.0)
    assert seen()["state"] == "running"
    api.request("POST", f"{address}/stop")
    wait_until(lambda: seen()["state"] == "stopped", "it has stopped", 20.0)
    assert 2 <= seen()["answers"]["requeued"] < 12
    for wrong in (0, 1e9):
        assert api.post(body | {"rate": wrong}, "/api/v1/operations").code == "invalid_body"
    cancel = {"verb": "cancel", "filter": {"states": ["PENDING"]}, "rate": 1}
    assert api.post(cancel, "/api/v1/operations").code == "invalid_body"


def test_a_schedule_is_changed_and_says_what_it_submits(api: Api) -> None:
    """It goes on with its new next tick; the id is that of the address, and must be known."""
    body = {"id": "nightly", "cron": "0 3 * * *", "type": "mail", "payload": {"n": 10**20}}
    assert api.post(body, "/api/v1/schedules").status == 201
    changed = api.request("PUT", "/api/v1/schedules/nightly", body | {"cron": "0 4 * * *"})
    assert (changed.status, changed.json["cron"]) == (200, "0 4 * * *")
    seen = api.get("/api/v1/schedules/nightly").json
    assert (seen["payload"], seen["priority"]) == ({"n": 10**20}, "NORMAL")
    assert api.request("PUT", "/api/v1/schedules/other", body).code == "invalid_body"
    unknown = api.request("PUT", "/api/v1/schedules/other", body | {"id": "other"})
    assert unknown.code == "schedule_not_found"
    wrong = api.request("PUT", "/api/v1/schedules/nightly", body | {"cron": "x"})
    assert wrong.code == "invalid_schedule"


def test_ticks_are_told_in_advance_over_a_change_of_clocks(api: Api) -> None:
    """Five of them, with the offset that clocks have then; nonsense is said to be that."""
    seen = api.get(f"{AT}/cron?cron=30+12+*+*+*&tz=Europe/Berlin").json
    assert len(seen["ticks"]) == 5
    assert {tick["offset"] for tick in seen["ticks"]} <= {"+0100", "+0200"}
    # One a month: the year has both offsets.
    yearly = api.get(f"{AT}/cron?cron=0+0+1+1,4,7,10+*&tz=Europe/Berlin").json["ticks"]
    assert {tick["offset"] for tick in yearly} == {"+0100", "+0200"}
    assert api.get(f"{AT}/cron?cron=nonsense").code == "invalid_schedule"
    assert api.get(f"{AT}/cron?cron=0+0+*+*+*&tz=Mars/Olympus").code == "invalid_schedule"


def test_workflows_are_put_together_from_what_depends(api: Api) -> None:
    """A diamond is one of four tasks, found from any of them; a task by itself is none."""
    alone = api.submit("mail")
    answer = api.batch(
        {"type": "fetch", "payload": 1, "ref": "a"},
        {"type": "left", "payload": 1, "ref": "b", "depends_on": ["ref:a"]},
        {"type": "right", "payload": 1, "ref": "c", "depends_on": ["ref:a"]},
        {"type": "join", "payload": 1, "depends_on": ["ref:b", "ref:c"]},
    )
    first, left, right, last = [row["task_id"] for row in answer.json["results"]]
    wait_until(lambda: api.get(f"{AT}/workflows").json["workflows"], "the list has it", 10.0)
    [row] = api.get(f"{AT}/workflows").json["workflows"]
    assert (row["id"], row["type"], row["tasks"], row["roots"]) == (last, "join", 4, 1)
    assert row["states"] == {"SCHEDULED": 3}
    for start in (last, left, first):
        tasks = {t["id"]: t for t in api.get(f"{AT}/workflows/{start}").json["tasks"]}
        assert set(tasks) == {first, left, right, last}
        assert set(tasks[last]["parents"]) == {left, right}
        assert tasks[first]["state"] == "PENDING"
    assert len(api.get(f"{AT}/workflows/{alone}").json["tasks"]) == 1
    nobody = "019ab0c3-a23b-7007-a64f-0deb1923d8e5"
    assert api.get(f"{AT}/workflows/{nobody}").code == "task_not_found"
    assert api.get(f"{AT}/workflows/x").code == "invalid_id"


def test_the_system_page_reads_servers_and_settings(api: Api) -> None:
    """What the server says of itself; each setting with its source, and no secret."""
    [server] = api.get(f"{AT}/system").json["servers"]
    assert server["role"] == "master"
    assert server["memory"] > 0
    rows = {row["name"]: row for row in api.get(f"{AT}/config").json["settings"]}
    assert rows["API_PORT"]["source"] == "environment"
    assert rows["API_KEY"]["value"] == "set"
    assert KEY not in str(rows)
