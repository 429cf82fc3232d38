"""How fast a client may be, how many connections there may be, and what every answer says to browsers."""

import socket
import time

import pytest

from tests.support.api import KEY, Api, Client, running_api
from tests.support.keys import SECRET, token
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until


def test_a_key_submits_as_fast_as_it_may(proven: RedisServer) -> None:
    """Over all processes together; 429 says when to come again; others are not concerned."""
    env = {"SHOAL_RATE_LIMIT": "5", "SHOAL_RATE_BURST": "20", "JWT_SECRET": SECRET}
    with running_api(proven.url, "-p", "2", env=env) as api:
        wait_until(lambda: api.process.stderr.count("the API listens") == 2, "both are up")
        began_s = time.monotonic()
        answers = [api.post({"type": "mail", "payload": n}) for n in range(60)]
        took_s = time.monotonic() - began_s
        accepted = [a for a in answers if a.status == 202]
        refused = [a for a in answers if a.status == 429]
        assert len(accepted) + len(refused) == 60
        assert 20 <= len(accepted) <= 20 + 5 * (took_s + 1)
        assert refused[0].code == "rate_limited"
        assert int(refused[0].headers["retry-after"]) >= 1
        assert accepted[0].headers["ratelimit-policy"] == '"tasks";q=5;w=1'
        assert refused[0].headers["ratelimit"].startswith('"tasks";r=0;')
        assert api.get("/api/v1/tasks?limit=1").json["total"] == len(accepted)
        other = Client(api.ports, token("submitter"))
        assert other.post({"type": "mail", "payload": 1}).status == 202
        # Another batch than the burst is let in once, and paid for.
        third = Client(api.ports, token("submitter", sub="eve"))
        assert third.batch(*({"type": "mail", "payload": n} for n in range(100))).status == 202
        assert third.batch({"type": "mail", "payload": 1}).status == 429
        assert third.get("/api/v1/tasks?limit=1").status == 200


def test_without_a_limit_nothing_is_said(api: Api) -> None:
    """No fields, no bucket."""
    answer = api.post({"type": "mail", "payload": 1})
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


def test_an_address_asks_as_often_as_it_may(valkey: RedisServer) -> None:
    """Whatever it asks and whatever it claims to be; health is open all the same."""
    with running_api(valkey.url, env={"SHOAL_ADDRESS_RATE_LIMIT": "3"}) as api:
        statuses = [
            api.get("/api/v1/session", headers={"X-Forwarded-For": f"9.9.9.{n}"}).status
            for n in range(20)
        ]
        assert statuses[:6] == [200] * 6
        assert 429 in statuses
        assert api.get("/livez").status == 200
    env = {"SHOAL_ADDRESS_RATE_LIMIT": "3", "SHOAL_TRUSTED_PROXIES": "127.0.0.0/8,::1"}
    with running_api(valkey.url, env=env) as api:
        for n in range(20):
            headers = {"X-Forwarded-For": f"6.6.6.6, 9.9.9.{n}"}
            assert api.get("/api/v1/session", headers=headers).status == 200


def test_wrong_keys_are_not_compared_for_ever(valkey: RedisServer) -> None:
    """After 60 in a minute from one address: 429, also for a login, and for the right one."""
    with running_api(valkey.url, env={"JWT_SECRET": SECRET}) as api:
        stranger = Client(api.ports, "a-wrong-key-of-the-tests")
        assert [stranger.get("/api/v1/session").status for _ in range(60)] == [401] * 60
        assert stranger.get("/api/v1/session").code == "rate_limited"
        assert stranger.request("POST", "/api/v1/session", {"key": KEY}).status == 429
        assert api.get("/api/v1/session").status == 429
        assert Client(api.ports, token()).get("/api/v1/session").status == 200
        assert Client(api.ports, None).get("/api/v1/session").status == 401


@pytest.mark.parametrize(
    "env", [{"SHOAL_MAX_CONNECTIONS": "3"}, {"SHOAL_MAX_CONNECTIONS_PER_ADDRESS": "3"}]
)
def test_connections_are_bounded(valkey: RedisServer, env: dict[str, str]) -> None:
    """One too many is answered and closed; one that ends makes room."""
    with running_api(valkey.url, env=env) as api:
        address = ("127.0.0.1", api.ports.public)
        held = [socket.create_connection(address) for _ in range(3)]
        for one in held:
            one.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(address) as more:
            answer = b""
            while part := more.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 503")
        assert b'"code":"busy"' in answer
        held.pop().close()
        wait_until(lambda: _answers(api), "there is room again")
        for one in held:
            one.close()


def _answers(api: Api) -> bool:
    try:
        return api.get("/livez").status == 200
    except OSError:
        return False


def test_browsers_are_told_to_keep_their_hands_off(api: Api) -> None:
    """Nothing is framed, sniffed, kept or read by another site's page; there is no CORS."""
    origin = {"Origin": "https://evil.example"}
    for answer in (
        api.get("/api/v1/tasks", headers=origin),
        api.get("/health", headers=origin),
        api.get("/none", headers=origin),
        api.request("OPTIONS", "/api/v1/tasks", headers={
            **origin, "Access-Control-Request-Method": "POST",
        }),
    ):  # fmt: skip
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control")]
