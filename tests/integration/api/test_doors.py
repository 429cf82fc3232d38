"""Who is let in, what is open, what the process says of itself, and what is no HTTP."""

import socket

import pytest

from tests.support.api import KEY, Api, Client, running_api
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

OPEN = ("/health", "/livez", "/readyz")
CLOSED = (
    ("GET", "/api/v1/tasks"),
    ("POST", "/api/v1/tasks"),
    ("POST", "/api/v1/tasks/batch"),
    ("GET", "/api/v1/tasks/7"),
    ("DELETE", "/api/v1/tasks/7"),
    ("GET", "/metrics"),
    ("GET", "/admin/workers"),
    ("GET", "/admin/queues"),
)


def test_only_health_is_open(api: Api) -> None:
    """Everything else needs the key, by either header."""
    stranger = Client(api.ports, None)
    for path in OPEN:
        assert stranger.get(path).status == 200
    for method, path in CLOSED:
        for headers in ({}, {"X-API-Key": "changeme"}, {"Authorization": "Bearer \xff\xfe"}):
            answer = stranger.request(method, path, headers=headers)
            assert (answer.status, answer.code) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        answer = stranger.request(method, path, headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status != 401


def test_metrics_are_open_when_the_setting_says_so(valkey: RedisServer) -> None:
    """And nothing else is."""
    with running_api(valkey.url, env={"SHOAL_METRICS_PUBLIC": "true"}) as api:
        stranger = Client(api.ports, None)
        assert stranger.get("/metrics").status == 200
        assert stranger.get("/api/v1/tasks").status == 401


def test_wrong_addresses_and_methods_are_problems(api: Api) -> None:
    """404, and 405 with what is allowed; also on the other port."""
    for path in ("/api", "/api/v2/tasks", "/api/v1/tasks/", "/admin", "/%ff", "//"):
        assert api.get(path).code == "not_found"
    answer = api.request("PATCH", "/api/v1/tasks")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert api.request("POST", "/admin/workers").code == "method_not_allowed"
    assert api.request("HEAD", "/api/v1/tasks").status == 200


def test_answers_say_little_of_what_is_behind_them(api: Api) -> None:
    """Not kept by caches, and no versions."""
    for answer in (api.get("/health"), api.get("/api/v1/tasks"), api.get("/nope")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["server"] == "shoal"


def test_health_counts_live_workers(api: Api) -> None:
    """Without one it is degraded, and says so; tasks are accepted all the same."""
    assert api.get("/health").json == {"status": "degraded", "redis": "connected", "workers": 0}
    assert api.get("/livez").body == b"ok\n"
    assert api.get("/readyz").status == 200


def test_metrics_count_what_came_and_what_there_is(api: Api) -> None:
    """Accepted tasks, requests by route, depths, states."""
    api.submit("metered", 1, priority="HIGH")
    api.batch(*({"type": "metered", "payload": n} for n in range(3)))
    api.get("/api/v1/no-such-thing")

    def text() -> str:
        return api.get("/metrics").body.decode()

    wait_until(lambda: 'shoal_queue_depth{priority="HIGH",queue="default"} 1.0' in text(), "depth")
    lines = text().splitlines()
    assert 'shoal_tasks_submitted_total{priority="HIGH",type="metered"} 1.0' in lines
    assert 'shoal_tasks_submitted_total{priority="NORMAL",type="metered"} 3.0' in lines
    assert 'shoal_queue_depth{priority="NORMAL",queue="default"} 3.0' in lines
    assert 'shoal_tasks{state="PENDING"} 4.0' in lines
    oldest = 'shoal_oldest_task_age_seconds{priority="%s",queue="default"} 0.0'
    assert oldest % "LOW" in lines
    wait_until(lambda: oldest % "HIGH" not in text().splitlines(), "it has waited for a while")
    for line in ("shoal_redis_up 1.0", "shoal_active_workers 0.0", "shoal_dlq_size 0.0"):
        assert line in lines
    requests = [line for line in lines if line.startswith("shoal_http_requests_total{")]
    assert any('route="/api/v1/tasks/batch",status="202"' in line for line in requests)
    assert any('route="unmatched",status="404"' in line for line in requests)
    assert "no-such-thing" not in "".join(lines)


def test_operators_see_queues_by_priority(api: Api) -> None:
    """Sums over all queues, or one of them."""
    api.submit(priority="CRITICAL")
    api.submit(queue="mailing")
    api.submit()

    def depths(query: str = "") -> dict[str, int]:
        rows = api.get(f"/admin/queues{query}").json["queues"]
        assert [row["priority"] for row in rows] == ["CRITICAL", "HIGH", "NORMAL", "LOW"]
        return {row["priority"]: row["depth"] for row in rows}

    all_of_them = {"CRITICAL": 1, "HIGH": 0, "NORMAL": 2, "LOW": 0}
    wait_until(lambda: depths() == all_of_them, "what was submitted is seen")
    assert depths("?queue=mailing")["NORMAL"] == 1
    assert depths("?queue=mailing")["CRITICAL"] == 0
    assert set(depths("?queue=unknown").values()) == {0}
    assert api.get("/admin/queues?queue=a:b").code == "invalid_parameter"
    assert api.get("/admin/workers").json == {"workers": []}


@pytest.mark.parametrize(
    "raw",
    [
        b"GARB\x01GE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"POST /api/v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/v1/tasks HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_one_line(api: Api, raw: bytes) -> None:
    """400, the connection is closed, and the log has one line without a traceback."""
    before = len(api.process.stderr.splitlines())
    with socket.create_connection(("127.0.0.1", api.ports.public), timeout=10) as client:
        client.sendall(raw)
        answer = b""
        while part := client.recv(65536):
            answer += part
    assert answer.split(b" ")[1] == b"400"
    assert b'"code":"bad_request"' in answer
    new = api.process.stderr.splitlines()[before:]
    assert len(new) == 1
    assert "malformed request" in new[0]
    assert len(new[0]) < 600


def test_neither_payload_nor_key_is_logged(valkey: RedisServer) -> None:
    """Even when every request is: method, route, status and duration are."""
    with running_api(valkey.url, env={"LOG_LEVEL": "debug"}) as api:
        task = api.submit(payload="a-payload-that-is-secret")
        api.get(f"/api/v1/tasks/{task}?token=in-the-query")
        api.get("/health", headers={"Authorization": "Bearer wrong-but-secret"})
        api.post(b'{"type":"mail","payload":"broken-and-secret')
        wait_until(lambda: '"status":400' in api.process.stderr, "it is logged")
        log = api.process.stderr
    assert '"route":"/api/v1/tasks"' in log
    assert '"route":"/api/v1/tasks/{id}"' in log
    for secret in (KEY, "secret", "in-the-query"):
        assert secret not in log
