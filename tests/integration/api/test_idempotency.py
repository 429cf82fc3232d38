"""The same request with the same key is done once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.support.api import Answer, Api
from tests.support.servers import RedisServer

BODY = {"type": "mail", "payload": {"to": "ada"}}
PATH = "/api/v1/tasks"


def keyed(api: Api, key: str = "k1", body: object = BODY, path: str = PATH) -> Answer:
    """Submit with a key."""
    return api.post(body, path, headers={"Idempotency-Key": key})


def total(api: Api) -> int:
    """How many tasks there are."""
    number: int = api.get("/api/v1/tasks?limit=1").json["total"]
    return number


def test_two_hundred_at_once_are_one_task(api: Api) -> None:
    """All get a 202 with the same id."""
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: keyed(api), range(200)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["task_id"] for answer in answers}) == 1
    assert total(api) == 1


def test_a_repetition_says_how_the_task_stands(api: Api) -> None:
    """Another key is another task."""
    first = keyed(api).json
    assert api.request("DELETE", f"/api/v1/tasks/{first['task_id']}").status == 200
    assert keyed(api).json == {"task_id": first["task_id"], "state": "CANCELLED"}
    assert keyed(api, "k2").json["task_id"] != first["task_id"]
    assert total(api) == 2


def test_a_key_of_another_request_is_a_conflict(api: Api) -> None:
    """Another body, or the other address."""
    keyed(api)
    other = keyed(api, body={"type": "mail", "payload": {"to": "bob"}})
    assert (other.status, other.code) == (422, "idempotency_conflict")
    batch = keyed(api, body={"tasks": [BODY]}, path=f"{PATH}/batch")
    assert batch.code == "idempotency_conflict"
    assert total(api) == 1


def test_a_refused_request_uses_no_key_up(api: Api) -> None:
    """The right body may come with it afterwards."""
    assert keyed(api, body={"type": "m m", "payload": 1}).status == 422
    assert keyed(api).status == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_malformed_keys_are_refused(api: Api, key: str) -> None:
    """Rather than ignored, which would promise what does not hold."""
    assert keyed(api, key).code == "invalid_parameter"
    assert total(api) == 0


def test_a_task_whose_retention_has_passed_is_not_done_again(api: Api, valkey: RedisServer) -> None:
    """Its record says that it was accepted; the id is told, its state is not known any more."""
    task_id = keyed(api).json["task_id"]
    with valkey.client(decode=True) as client:
        _forget(client)
    assert keyed(api).json == {"task_id": task_id, "state": None}
    assert total(api) == 0


def _forget(client: redis.Redis) -> None:
    """Leave nothing but the records of keys, as if everything else had been pruned."""
    for key in list(client.scan_iter("*")):
        if ":idempotency:" not in key and not key.endswith(":settings") and ":meta" not in key:
            client.delete(key)


def test_what_a_process_had_not_finished_is_finished_by_the_next(
    api: Api, valkey: RedisServer
) -> None:
    """A record without its task (the process died in between) leads to the task, with that id."""
    task_id = keyed(api).json["task_id"]
    with valkey.client(decode=True) as client:
        [record] = client.scan_iter("*:idempotency:*")
        value = str(client.get(record))
        assert value.startswith(task_id)
        assert value.endswith(" stored")
        assert 86_000 < int(str(client.ttl(record))) <= 86_400
        client.set(record, value.removesuffix(" stored"), keepttl=True)
        _forget(client)
    assert keyed(api).json == {"task_id": task_id, "state": "PENDING"}
    assert total(api) == 1


def test_a_batch_is_done_once_too(api: Api) -> None:
    """Its ids are the same each time, also of those with a unique key; problems stay problems."""
    tasks = [{"type": "mail", "payload": n} for n in range(500)]
    batch = {"tasks": [*tasks, {"type": "mail", "payload": 1, "unique_key": "u"}, {"type": "x x"}]}

    def submit(_: int = 0) -> Answer:
        return keyed(api, body=batch, path=f"{PATH}/batch")

    with ThreadPoolExecutor(8) as pool:
        answers = [answer.json for answer in pool.map(submit, range(8))]
    ids = [[result.get("task_id") for result in answer["results"]] for answer in answers]
    assert len(set(ids[0])) == 502
    assert all(one == ids[0] for one in ids)
    assert {(answer["accepted"], answer["rejected"]) for answer in answers} == {(501, 1)}
    assert total(api) == 501
    assert submit().json["results"][0] == {"task_id": ids[0][0], "state": "PENDING"}


def test_a_key_and_a_unique_key_together(api: Api) -> None:
    """The task that holds the unique key is the answer, to every repetition."""
    held = api.post({**BODY, "unique_key": "u"}).json["task_id"]
    body = {**BODY, "unique_key": "u", "priority": "LOW"}
    assert keyed(api, body=body).json["task_id"] == held
    assert keyed(api, body=body).status == 202
    assert total(api) == 1
