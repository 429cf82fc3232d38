"""Redis is away, slow, or answers to nobody: 503 within the bound, and nothing is done twice."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api import Answer, Api, running_api
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

#: SHOAL_REDIS_TIMEOUT, and within what everything must be answered: three of them, the last
#: attempt's own, and what a busy machine adds.
TIMEOUT_S = 0.3
BOUND_S = 3 * TIMEOUT_S + 2 * TIMEOUT_S + 2.0
ENV = {"SHOAL_REDIS_TIMEOUT": f"{TIMEOUT_S}s"}
BODY = {"type": "mail", "payload": 1}
BATCH = {"tasks": [BODY] * 300}


@pytest.fixture
def proxied(proven: RedisServer) -> Iterator[tuple[Api, Proxy]]:
    """An API whose way to Redis can be disturbed."""
    with Proxy(proven.port) as proxy, running_api(proxy.url, env=ENV) as api:
        api.submit("warm")  # the scripts are loaded: what is held from now on is the work itself
        api.post({"type": "warm", "payload": 1}, headers={"Idempotency-Key": "warm"})
        yield api, proxy
        proxy.heal()


def timed(api: Api, body: object = BODY, path: str = "/api/v1/tasks", key: str = "") -> Answer:
    """Submit, and make sure that the answer came in time."""
    began_s = time.monotonic()
    answer = api.post(body, path, headers={"Idempotency-Key": key} if key else None)
    assert time.monotonic() - began_s < BOUND_S
    return answer


def refused(answer: Answer) -> str:
    """A 503 that says when to come again; which problem it is."""
    assert answer.status == 503, answer.body
    assert int(answer.headers["retry-after"]) >= 1
    return answer.code


def total(api: Api, type: str = "mail") -> int:
    """How many tasks of this type there are."""
    number: int = api.get(f"/api/v1/tasks?type={type}&limit=1").json["total"]
    return number


def test_redis_away_is_a_503_everywhere(proxied: tuple[Api, Proxy]) -> None:
    """In time; health and readiness say it in words; and it works again as soon as Redis is back."""
    api, proxy = proxied
    task = api.submit()
    wait_until(lambda: api.get("/health").status == 200, "it is well")
    proxy.down()
    wait_until(lambda: api.get("/health").status == 503, "it is known")
    assert api.get("/health").json == {
        "status": "unhealthy", "redis": "disconnected", "workers": None,
    }  # fmt: skip
    assert api.get("/readyz").status == 503
    assert api.get("/livez").status == 200
    assert "shoal_redis_up 0.0" in api.get("/metrics").body.decode()
    assert refused(timed(api)) == "broker_unavailable"
    assert refused(timed(api, BATCH, "/api/v1/tasks/batch")) == "broker_unavailable"
    assert refused(timed(api, key="k")) == "broker_unavailable"
    for method, path in (
        ("GET", f"/api/v1/tasks/{task}"),
        ("GET", f"/api/v1/tasks/{task}?wait=1s"),
        ("DELETE", f"/api/v1/tasks/{task}"),
        ("GET", "/api/v1/tasks"),
        ("GET", "/admin/workers"),
        ("GET", "/admin/queues"),
    ):
        assert refused(api.request(method, path)) == "broker_unavailable"
    proxy.up()
    wait_until(lambda: api.get("/readyz").status == 200, "Redis is back")
    assert timed(api).status == 202
    assert total(api) == 2


def test_many_that_wait_are_all_answered_in_time(proxied: tuple[Api, Proxy]) -> None:
    """Those who stand behind others do not wait the longer for it."""
    api, proxy = proxied
    proxy.hold_requests()
    with ThreadPoolExecutor(300) as pool:
        answers = list(pool.map(lambda _: timed(api), range(300)))
    assert {refused(answer) for answer in answers} <= {"outcome_unknown", "broker_unavailable"}
    proxy.heal()


def test_an_unknown_outcome_is_said_with_the_ids(proxied: tuple[Api, Proxy]) -> None:
    """The script was run and its reply never came: the ids lead to the task."""
    api, proxy = proxied
    assert timed(api).status == timed(api, BATCH, "/api/v1/tasks/batch").status == 202
    proxy.hold_replies()
    answer = timed(api)
    batch = timed(api, BATCH, "/api/v1/tasks/batch")
    assert refused(answer) == refused(batch) == "outcome_unknown"
    proxy.heal()
    [task_id] = answer.json["ids"]
    wait_until(lambda: api.get("/readyz").status == 200, "Redis is back")
    assert api.task(task_id)["payload"] == 1
    assert len(set(batch.json["ids"])) == 300
    assert {api.get(f"/api/v1/tasks/{i}").status for i in batch.json["ids"][::50]} <= {200, 404}


@pytest.mark.parametrize("held", ["requests", "replies"])
def test_a_lost_answer_repeated_with_its_key_is_one_task(
    proxied: tuple[Api, Proxy], held: str
) -> None:
    """However often it is repeated, and whether the request or the reply was lost."""
    api, proxy = proxied
    for _ in range(2):
        proxy.hold_requests() if held == "requests" else proxy.hold_replies()
        refused(timed(api, key="k"))
        refused(timed(api, BATCH, "/api/v1/tasks/batch", key="b"))
        proxy.heal()
        wait_until(lambda: api.get("/readyz").status == 200, "Redis is back")
    first = timed(api, key="k")
    batch = timed(api, BATCH, "/api/v1/tasks/batch", key="b")
    assert (first.status, batch.status) == (202, 202)
    assert timed(api, key="k").json == first.json
    assert timed(api, BATCH, "/api/v1/tasks/batch", key="b").json == batch.json
    assert total(api) == 301


def test_a_reply_that_is_late_is_waited_for(proxied: tuple[Api, Proxy]) -> None:
    """A stall shorter than the patience is an accepted task, once: repeated inside with its id."""
    api, proxy = proxied
    with ThreadPoolExecutor(20) as pool:
        proxy.hold_replies()
        answers = [pool.submit(timed, api) for _ in range(20)]
        wait_until(lambda: proxy.held_bytes("replies") > 0, "Redis has done it")
        proxy.reset()
        proxy.heal()
        results = [answer.result() for answer in answers]
    assert {answer.status for answer in results} == {202}
    assert len({answer.json["task_id"] for answer in results}) == 20
    assert total(api) == 20


@pytest.mark.timeout(60)
def test_a_killed_redis_loses_nothing_that_was_accepted(proven: RedisServer) -> None:
    """Submissions go on while it is killed and started again; each 202 is one task, and no other is."""
    with running_api(proven.url, env=ENV) as api, ThreadPoolExecutor(8) as pool:
        accepted: list[str] = []

        def submit(n: int) -> None:
            for _ in range(200):
                answer = api.post(
                    {"type": "mail", "payload": n}, headers={"Idempotency-Key": f"n{n}"}
                )
                if answer.status == 202:
                    accepted.append(answer.json["task_id"])
                    return
                refused(answer)
            raise AssertionError("it was never accepted")

        jobs = [pool.submit(submit, n) for n in range(400)]
        wait_until(lambda: len(accepted) > 50, "some are accepted")
        with proven.client() as client:
            client.config_set("appendfsync", "always")
        proven.kill()
        proven.start()
        for job in jobs:
            job.result()
        assert len(set(accepted)) == 400
        assert total(api) == 400


def test_an_api_that_starts_without_redis_waits_for_it(proven: RedisServer) -> None:
    """It says so meanwhile, and works when Redis comes."""
    with Proxy(proven.port) as proxy:
        proxy.down()
        with running_api(proxy.url, env=ENV) as api:
            assert api.get("/health").status == 503
            assert api.get("/livez").status == 200
            assert refused(timed(api)) == "broker_unavailable"
            proxy.up()
            wait_until(lambda: api.get("/readyz").status == 200, "Redis is there")
            assert timed(api).status == 202


def test_a_paused_partition_is_no_error(proven: RedisServer) -> None:
    """The others take what comes; with all of them paused it is a 503, and soon over."""
    with running_api(proven.url, env={"SHOAL_PARTITIONS": "1"}) as api:
        api.submit()
        with proven.client(decode=True) as client:
            [marker] = list(client.scan_iter("*:partition"))
            paused = marker.replace(":partition", ":partition_paused")
            client.set(paused, 1)
            assert refused(timed(api)) == "partition_paused"
            client.delete(paused)
        assert timed(api).status == 202


def test_a_full_queue_is_a_503_that_stores_nothing(proven: RedisServer) -> None:
    """With Retry-After; in a batch, task by task."""
    with running_api(proven.url, env={"MAX_QUEUE_SIZE": "8"}) as api:
        answer = api.batch(*[BODY] * 20)
        assert answer.json["accepted"] == 8
        rejected = [r for r in answer.json["results"] if "code" in r]
        assert {r["code"] for r in rejected} == {"queue_full"}
        assert refused(timed(api)) == "queue_full"
        assert total(api) == 8
        assert timed(api, {**BODY, "priority": "HIGH"}).status == 202
