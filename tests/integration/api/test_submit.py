"""Tasks come in over HTTP: one by one and in batches, as they were said."""

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from shoal.model.identity import partition_of
from tests.support.api import Api
from tests.unit.api.test_schema import BAD_PAYLOADS, GOOD_PAYLOADS


def test_a_task_is_accepted_and_found(api: Api) -> None:
    """202, an address, and the task there with all that was said; the payload to the byte."""
    raw = b'{"type":"mail","payload":{ "big":9007199254740993, "one":1.0 },"priority":"high",'
    raw += b'"timeout":"1m","metadata":{"order":"17"},"retry_policy":{"max_retries":1}}'
    answer = api.post(raw)
    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    task_id = answer.json["task_id"]
    assert answer.json == {"task_id": task_id, "state": "PENDING"}
    assert answer.headers["location"] == f"/api/v1/tasks/{task_id}"
    found = api.get(answer.headers["location"].upper().replace("/API/V1/TASKS", "/api/v1/tasks"))
    assert found.status == 200
    assert b'"payload":{ "big":9007199254740993, "one":1.0 }' in found.body
    task = found.json
    assert (task["id"], task["type"], task["priority"]) == (task_id, "mail", "HIGH")
    assert (task["state"], task["queue"], task["timeout"]) == ("PENDING", "default", 60)
    assert (task["metadata"], task["attempts"], task["history"]) == ({"order": "17"}, 0, [])
    assert task["retry_policy"]["max_retries"] == 1
    assert task["created_at"].endswith("Z")


@pytest.mark.parametrize("payload", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
def test_bad_json_is_a_problem_of_the_client(api: Api, payload: bytes) -> None:
    """400, never 500, and nothing is stored."""
    answer = api.post(b'{"type":"mail","payload":' + payload + b"}")
    assert (answer.status, answer.code) == (400, "invalid_json")
    assert api.get("/api/v1/tasks").json["total"] == 0


@pytest.mark.parametrize("payload", GOOD_PAYLOADS.values(), ids=GOOD_PAYLOADS)
def test_all_other_json_comes_back_as_it_was(api: Api, payload: bytes) -> None:
    """To the byte."""
    answer = api.post(b'{"type":"mail","payload":' + payload + b"}")
    assert answer.status == 202, answer.body
    found = api.get(answer.headers["location"])
    assert b'"payload":' + payload + b',"state"' in found.body


def test_what_is_wrong_with_a_body_is_named(api: Api) -> None:
    """Unknown fields, wrong values, what comes later, a field twice: 4xx with the reason."""
    for body, status, word in (
        ({"type": "mail", "payload": 1, "foo": 1}, 422, "foo"),
        ({"type": "m m", "payload": 1}, 422, "task type"),
        ({"type": "mail"}, 422, "payload"),
        ({"type": "mail", "payload": 1, "depends_on": ["ref:a"]}, 422, "depends_on"),
        ({"type": "mail", "payload": 1, "on_dependency_failure": "stop"}, 422, "on_dependency"),
        ({"type": "mail", "payload": 1, "retention": "8d"}, 422, "TASK_RETENTION_DAYS"),
        ({"type": "mail", "payload": 1, "scheduled_at": "9999-12-31T23:59:59-23:59"}, 422, "9000"),
        (b'{"type":"mail","type":"mail","payload":1}', 400, "twice"),
        (b"", 400, ""),
        (b"\xff\xfe", 400, ""),
    ):
        answer = api.post(body)
        assert answer.status == status, answer.body
        assert answer.code
        assert word in answer.body.decode()


def test_sizes_are_bounded(api: Api) -> None:
    """The largest payload goes in; one byte more, or a body beyond all bounds, is 413."""
    largest = "x" * (1024 * 1024 - 2)
    assert len(api.task(api.submit(payload=largest))["payload"]) == len(largest)
    assert api.post({"type": "mail", "payload": largest + "x"}).code == "payload_too_large"
    assert api.post({"type": "mail", "payload": largest * 2}).code == "body_too_large"
    chunks = [b'{"type":"mail","payload":"', *[b"x" * 65536] * 40, b'"}']
    assert api.post_chunks(chunks).code == "body_too_large"
    assert api.post_chunks([b'{"type":"mail",', b'"payload":1}']).status == 202


def test_a_batch_is_taken_task_by_task(api: Api) -> None:
    """In order: ids for what is right, problems for what is not, and both are counted."""
    answer = api.batch(
        {"type": "mail", "payload": 1},
        {"type": "mail", "payload": 2, "foo": 1},
        {"type": "mail", "payload": 3, "delay": "1h"},
        "nonsense",
        {"type": "mail", "payload": 4, "unique_key": "k"},
        {"type": "mail", "payload": 5, "unique_key": "k"},
    )
    assert answer.status == 202
    results = answer.json["results"]
    assert (answer.json["accepted"], answer.json["rejected"]) == (4, 2)
    assert [result.get("state") for result in results] == [
        "PENDING", None, "SCHEDULED", None, "PENDING", "PENDING",
    ]  # fmt: skip
    assert [result.get("code") for result in results] == [
        None, "invalid_task", None, "invalid_task", None, None,
    ]  # fmt: skip
    assert results[4]["task_id"] == results[5]["task_id"]
    assert api.task(results[2]["task_id"])["payload"] == 3
    assert api.get("/api/v1/tasks").json["total"] == 3


def test_a_batch_has_at_most_a_thousand(api: Api) -> None:
    """All of them are stored, spread over the partitions; one more is refused as a whole."""
    answer = api.batch(*({"type": "mail", "payload": n} for n in range(1000)))
    assert answer.json["accepted"] == 1000
    ids = [result["task_id"] for result in answer.json["results"]]
    assert len(set(ids)) == 1000
    assert len({partition_of(task_id) for task_id in ids}) >= 5
    assert api.task(ids[777])["payload"] == 777
    assert api.batch(*({"type": "mail", "payload": n} for n in range(1001))).code == "invalid_task"
    assert api.batch().code == "invalid_task"
    assert api.get("/api/v1/tasks?type=mail&state=PENDING&limit=1").json["total"] == 1000


def test_a_unique_key_returns_the_task_that_holds_it(api: Api) -> None:
    """With its state as it stands, until it has ended."""
    first = api.post({"type": "mail", "payload": 1, "unique_key": "k", "delay": "1h"}).json
    again = api.post({"type": "mail", "payload": 2, "unique_key": "k"}).json
    assert again == first == {"task_id": first["task_id"], "state": "SCHEDULED"}
    assert api.request("DELETE", f"/api/v1/tasks/{first['task_id']}").status == 200
    assert api.post({"type": "mail", "payload": 2, "unique_key": "k"}).json != first


def test_many_at_once_are_each_their_own(api: Api) -> None:
    """Submissions that share round trips get their own ids and payloads."""
    with ThreadPoolExecutor(32) as pool:
        ids = list(pool.map(lambda n: api.submit(payload={"n": n}), range(400)))
    assert len(set(ids)) == 400
    for n in (0, 17, 399):
        assert api.task(ids[n])["payload"] == {"n": n}
    assert api.get("/api/v1/tasks?limit=1").json["total"] == 400


def test_a_forged_or_foreign_media_type_is_refused(api: Api) -> None:
    """What a form of a foreign page can send is not taken."""
    raw = json.dumps({"type": "mail", "payload": 1}).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = api.post(raw, headers={"Content-Type": content_type})
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    answer = api.post(raw, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status == 202


def test_compressed_bodies_are_bounded_by_what_they_hold(api: Api) -> None:
    """A small one is read; a bomb is refused as soon as it is too large; what is no gzip is a 400."""
    headers = {"Content-Encoding": "gzip"}
    small = gzip.compress(b'{"type":"mail","payload":1}')
    assert api.post(small, headers=headers).status == 202
    bomb = gzip.compress(b'{"type":"mail","payload":"' + b" " * 50_000_000 + b'"}')
    answer = api.post(bomb, headers=headers)
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert api.post(b"no gzip at all", headers=headers).code == "bad_request"


@pytest.mark.slow
@pytest.mark.timeout(40)
def test_a_body_that_does_not_come_is_given_up(api: Api) -> None:
    """After ten seconds, with 408, and the connection is closed."""
    head = f"POST /api/v1/tasks HTTP/1.1\r\nHost: a\r\nX-API-Key: {api.key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", api.ports.public), timeout=35) as client:
        client.sendall(head.encode())
        answer = b""
        while part := client.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer
