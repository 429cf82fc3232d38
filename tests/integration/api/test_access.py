"""Who is let in by which key, token or cookie, and what each role may do."""

import re
import time
from collections.abc import Iterator

import psutil
import pytest

from shoal.api.endpoints import ADMIN, PUBLIC, Endpoint
from shoal.api.key_ring import MAX_AGE_S
from shoal.model.role import Role
from tests.support.api import KEY, Answer, Api, Client, running_api
from tests.support.keys import SECRET, a_key, record_of, revoke_key, store_keys, token
from tests.support.server_pool import ServerPool
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

#: The ends a connection with an answer that has no end.
STREAMS = ("/ws", "/api/v1/events")


@pytest.fixture(scope="module")
def shared_api(server_pool: ServerPool) -> Iterator[Api]:
    """One process that takes tokens too."""
    with running_api(server_pool.get("valkey").url, env={"JWT_SECRET": SECRET}) as api:
        yield api


def _ask(api: Api, endpoint: Endpoint, headers: dict[str, str], *, on_admin: bool) -> Answer:
    path = re.sub(r"\{\w+\}", "no-such-thing", endpoint.path)
    body = b"" if endpoint.method in ("POST", "PUT", "PATCH") else None
    stranger = Client(api.ports, None)
    return stranger.request(endpoint.method, path, body, headers=headers, on_admin=on_admin)


@pytest.mark.parametrize("role", [None, *Role])
def test_every_route_and_every_role(api: Api, valkey: RedisServer, role: Role | None) -> None:
    """Each address on each port lets in who has its role, and nobody with less, by key and by token."""
    # What was read while the server was emptied is told for half a second more.
    wait_until(lambda: api.get("/admin/queues").status == 200, "the server is read")
    ways: list[dict[str, str]] = [{}]
    if role is not None:
        key = a_key(role)
        store_keys(valkey.url, record_of(key, role.word))
        ways = [{"X-API-Key": key}, {"Authorization": f"Bearer {token(role.word)}"}]
    for on_admin, endpoints in ((False, PUBLIC), (True, ADMIN)):
        for endpoint in endpoints:
            for headers in ways:
                what = f"{endpoint.method} {endpoint.path} for {role} on_admin={on_admin}"
                if endpoint.path in STREAMS and role is not None:
                    continue
                answer = _ask(api, endpoint, headers, on_admin=on_admin)
                if endpoint.role is None:
                    # The login is open, and refuses what it is not given.
                    assert answer.status not in (403, 500), what
                elif role is None:
                    assert (answer.status, answer.code) == (401, "unauthorized"), what
                elif role < endpoint.role:
                    assert (answer.status, answer.code) == (403, "forbidden"), what
                    assert endpoint.role.word in answer.json["detail"], what
                else:
                    assert answer.status not in (401, 403, 500, 502, 503), (what, answer.body)


def test_every_endpoint_has_a_role_or_is_known_to_be_open() -> None:
    """What is open is exactly what the requirements leave open."""
    is_open = {(e.method, e.path) for e in ADMIN if e.role is None}
    allowed = {("GET", path) for path in ("/health", "/livez", "/readyz")}
    allowed |= {("POST", "/api/v1/session"), ("DELETE", "/api/v1/session")}
    static = {pair for pair in is_open if pair[0] == "GET" and pair not in allowed}
    assert is_open - static == allowed
    assert all(not path.startswith(("/api/", "/admin")) for _, path in static)
    assert len({(e.method, e.path) for e in ADMIN}) == len(ADMIN)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": a_key(2)},
        {"X-API-Key": a_key()[:-1]},
        {"X-API-Key": a_key()[:-1] + "x"},
        {"X-API-Key": a_key()[:16]},
        {"X-API-Key": a_key() + " x"},
        {"X-API-Key": "shoal_\xe9"},
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY.upper()},
        {"Authorization": f"Basic {a_key()}"},
        {"Authorization": a_key()},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": "Bearer wrong", "X-API-Key": a_key()},
        {"Authorization": f"Bearer {token()}x"},
        {"Cookie": f"shoal_session={a_key()}"},
        {"Cookie": "shoal_session="},
        {"Cookie": "shoal_session=" + "x" * 5000},
        {"Cookie": f"other={KEY}; shoal_session"},
    ],
)
def test_wrong_keys_open_nothing(api: Api, valkey: RedisServer, headers: dict[str, str]) -> None:
    """Another, a shorter one, its prefix, what is no ASCII, nothing, the wrong place; in the address neither."""
    store_keys(valkey.url, record_of(a_key(), "admin"))
    stranger = Client(api.ports, None)
    answer = stranger.get("/api/v1/tasks", headers=headers)
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    for query in (f"?key={a_key()}", f"?api_key={a_key()}", f"?access_token={token()}"):
        assert stranger.get(f"/api/v1/tasks{query}").status == 401
    assert stranger.get("/api/v1/tasks", headers={"X-API-Key": a_key()}).status == 200


def test_a_revoked_key_opens_nothing_soon(api: Api, valkey: RedisServer) -> None:
    """A new key works at once; revoked, it is refused within 5 s; so is a session begun with it."""
    record = record_of(a_key(7), "submitter")
    store_keys(valkey.url, record)
    holder = Client(api.ports, a_key(7))
    holder.submit()
    login = holder.request("POST", "/api/v1/session", {"key": a_key(7)})
    cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
    stranger = Client(api.ports, None)
    assert stranger.get("/api/v1/tasks", headers=cookie).status == 200
    revoke_key(valkey.url, record.id)
    began_s = time.monotonic()
    wait_until(lambda: holder.get("/api/v1/tasks").status == 401, "it is refused")
    assert stranger.get("/api/v1/tasks", headers=cookie).status == 401
    assert time.monotonic() - began_s < MAX_AGE_S


def test_keys_expire_and_have_scopes(api: Api, valkey: RedisServer) -> None:
    """An expired one is told so; one with a scope opens only that part, whatever its role."""
    past = round(time.time() * 1000) - 1
    store_keys(
        valkey.url,
        record_of(a_key(8), expires_ms=past),
        record_of(a_key(9), "admin", scopes=("stats",)),
    )
    assert "expired" in Client(api.ports, a_key(8)).get("/api/v1/tasks").json["detail"]
    scoped = Client(api.ports, a_key(9))
    assert scoped.get("/metrics").status == 200
    answer = scoped.get("/api/v1/tasks")
    assert (answer.status, answer.json["detail"]) == (403, "It needs the scope tasks.")


def test_a_session_is_a_cookie_for_its_own_pages(api: Api) -> None:
    """HttpOnly, SameSite=Strict; changes only from pages of this address; after the logout it is nothing."""
    stranger = Client(api.ports, None)
    login = stranger.request("POST", "/api/v1/session", {"key": KEY})
    assert login.status == 201
    assert login.json["role"] == "admin"
    assert KEY not in login.body.decode()
    value, *attributes = login.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} == set(attributes)
    assert KEY not in value
    cookie = {"Cookie": f"theme=dark; {value}"}
    assert stranger.get("/api/v1/tasks", headers=cookie).status == 200
    assert stranger.get("/api/v1/session", headers=cookie).json["role"] == "admin"
    task = {"type": "mail", "payload": 1}
    own = f"http://127.0.0.1:{api.ports.public}"
    for headers, status in (
        ({}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": f"{own}.evil.example"}, 403),
        ({"Origin": "http://[bad"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Origin": own}, 202),
    ):
        answer = stranger.post(task, headers={**cookie, **headers})
        assert answer.status == status, headers
    # A key in a header is no cookie: a foreign page cannot know it.
    assert api.post(task, headers={"Origin": "https://evil.example"}).status == 202
    evil = {**cookie, "Origin": "https://evil.example"}
    assert stranger.request("DELETE", "/api/v1/session", headers=evil).status == 403
    mine = {**cookie, "Origin": own}
    out = stranger.request("DELETE", "/api/v1/session", headers=mine)
    assert out.status == 204
    assert "shoal_session=" in out.headers["set-cookie"]
    assert stranger.get("/api/v1/tasks", headers=cookie).status == 401
    assert stranger.request("DELETE", "/api/v1/session").status == 204


def test_a_login_that_is_none_is_refused(api: Api) -> None:
    """By a foreign page, with a wrong key, with no JSON; no cookie is set."""
    stranger = Client(api.ports, None)
    for body, headers, status in (
        ({"key": KEY}, {"Origin": "https://evil.example"}, 403),
        ({"key": KEY}, {"Sec-Fetch-Site": "cross-site"}, 403),
        ({"key": KEY[:-1]}, {}, 401),
        ({"key": ""}, {}, 401),
        ({"key": 7}, {}, 400),
        ({"key": KEY, "role": "admin"}, {}, 400),
        (b"{", {}, 400),
        (b"key=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ):
        answer = stranger.request("POST", "/api/v1/session", body, headers=headers)
        assert answer.status == status, (body, answer.body)
        assert "set-cookie" not in answer.headers


def test_a_session_ends_with_its_token(api: Api) -> None:
    """It holds no longer than what it was begun with."""
    stranger = Client(api.ports, None)
    login = stranger.request("POST", "/api/v1/session", {"key": token("submitter", 1)})
    cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
    assert stranger.get("/api/v1/tasks", headers=cookie).status == 200
    wait_until(lambda: stranger.get("/api/v1/tasks", headers=cookie).status == 401, "it is over")


def test_cookies_are_secure_where_that_is_said(valkey: RedisServer) -> None:
    """And known in every process, also on the operators' port."""
    with running_api(valkey.url, "-p", "2", env={"SHOAL_SECURE_COOKIES": "true"}) as api:
        wait_until(lambda: api.process.stderr.count("the API listens") == 2, "both are up")
        stranger = Client(api.ports, None)
        login = stranger.request("POST", "/api/v1/session", {"key": KEY})
        value, *attributes = login.headers["set-cookie"].split("; ")
        assert "Secure" in attributes
        for _ in range(8):
            assert stranger.get("/api/v1/tasks", headers={"Cookie": value}).status == 200
            assert stranger.get("/admin/queues", headers={"Cookie": value}).status == 200


def test_tickets_are_asked_for_with_a_key(api: Api) -> None:
    """Each another one, for half a minute."""
    answers = [api.request("POST", "/api/v1/ws-tickets") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert len({answer.json["ticket"] for answer in answers}) == 2
    assert answers[0].json["expires_in"] == 30


def test_neither_keys_nor_tokens_nor_cookies_are_told(valkey: RedisServer) -> None:
    """Not in the log, not in an answer, not among the processes."""
    env = {"JWT_SECRET": SECRET, "LOG_LEVEL": "debug"}
    with running_api(valkey.url, env=env) as api:
        secrets = [KEY, SECRET, a_key(3), token("viewer"), token("nobody"), a_key(4)]
        store_keys(valkey.url, record_of(a_key(3)))
        answers = [
            Client(api.ports, secret).get(f"/api/v1/tasks?token={secret}") for secret in secrets
        ]
        login = api.request("POST", "/api/v1/session", {"key": a_key(3)})
        secrets.append(login.headers["set-cookie"].partition(";")[0].partition("=")[2])
        answers.append(api.get("/api/v1/tasks", headers={"Cookie": f"shoal_session={secrets[-1]}"}))
        wait_until(lambda: api.process.stderr.count('"route"') >= len(answers), "it is logged")
        told = api.process.stderr + b"".join(answer.body for answer in answers).decode()
        told += " ".join(psutil.Process(api.process.pid).cmdline())
    for secret in secrets:
        assert secret not in told


def test_without_redis_a_stored_key_is_not_guessed_at(valkey: RedisServer) -> None:
    """What can't be looked up is no 401: come again. API_KEY and tokens need no Redis."""
    with running_api("redis://127.0.0.1:1", env={"JWT_SECRET": SECRET}) as api:
        for key, status in ((a_key(), 503), (KEY, 200), (token(), 200)):
            answer = Client(api.ports, key).get("/api/v1/session")
            assert answer.status == status
        assert Client(api.ports, a_key()).get("/api/v1/session").headers["retry-after"]
