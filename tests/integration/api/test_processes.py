"""The process: its ports, its signals, its siblings, and what keeps it from starting."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from shoal.errors import ExitStatus
from tests.support.api import KEY, Api, Client, Ports, running_api
from tests.support.processes import is_alive, shoal
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_progress_are_finished(proven: RedisServer, how: signal.Signals) -> None:
    """A submission that waits for Redis and a long poll are both answered; then it ends with 0."""
    with (
        Proxy(proven.port) as proxy,
        running_api(proxy.url, env={"SHOAL_REDIS_TIMEOUT": "5s"}) as api,
        ThreadPoolExecutor(4) as pool,
    ):
        task = api.submit()
        poll = pool.submit(api.get, f"/api/v1/tasks/{task}?wait=60s")
        proxy.hold_requests()
        submission = pool.submit(api.post, {"type": "mail", "payload": "x" * 20_000})
        wait_until(lambda: proxy.held_bytes("requests") > 20_000, "Redis is asked for it")
        began_s = time.monotonic()
        api.process.send(how)
        wait_until(lambda: not _accepts(api), "nobody else is let in")
        proxy.release_requests()
        assert submission.result().status == 202
        assert poll.result().json["state"] == "PENDING"
        assert api.process.wait() == ExitStatus.OK
        assert time.monotonic() - began_s < 9


def _accepts(api: Api) -> bool:
    try:
        socket.create_connection(("127.0.0.1", api.ports.public)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_an_idle_connection_does_not_hold_it_up(proven: RedisServer) -> None:
    """Nor one that has sent half a request."""
    with running_api(proven.url) as api:
        address = ("127.0.0.1", api.ports.public)
        with socket.create_connection(address) as idle, socket.create_connection(address) as half:
            idle.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            assert idle.recv(65536).startswith(b"HTTP/1.1 200")
            half.sendall(b"GET /livez HTTP/1.1\r\nHo")
            api.process.terminate()
            assert api.process.wait(8) == ExitStatus.OK


def test_several_processes_share_the_ports(proven: RedisServer) -> None:
    """All of them answer, and their metrics are sums, whoever is asked."""
    with running_api(proven.url, "-p", "2", ready="the API listens") as api:
        wait_until(lambda: api.process.stderr.count("the API listens") == 2, "both are up")
        with ThreadPoolExecutor(16) as pool:
            ids = list(pool.map(lambda _: api.submit("shared"), range(300)))
        assert len(set(ids)) == 300
        line = 'shoal_tasks_submitted_total{priority="NORMAL",type="shared"} 300.0'
        assert line in api.get("/metrics").body.decode().splitlines()
        first, second = api.process.children()
        for pid in (first, second):
            assert len(_listening(pid)) == 2
        # Each connection goes to one of them, by a hash of its addresses.
        assert {_server_of(api, n) for n in range(40)} == {first, second}


def _listening(pid: int) -> list[int]:
    return [
        c.laddr.port for c in psutil.Process(pid).net_connections("tcp") if c.status == "LISTEN"
    ]


def _server_of(api: Api, _: int) -> int:
    """Which of the processes has accepted a new connection."""
    with socket.create_connection(("127.0.0.1", api.ports.public)) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(65536)
        mine = client.getsockname()[1]
        for pid in api.process.children():
            for connection in psutil.Process(pid).net_connections("tcp"):
                if tuple(connection.raddr)[1:] == (mine,):
                    return pid
    raise AssertionError("nobody has it")


def test_one_that_dies_is_started_again(proven: RedisServer) -> None:
    """While the other answers; with the parent all of them end."""
    with running_api(proven.url, "-p", "2") as api:
        wait_until(lambda: api.process.stderr.count("the API listens") == 2, "both are up")
        first, second = api.process.children()
        os.kill(first, signal.SIGKILL)
        api.process.wait_for_output("API process 0 was ended by SIGKILL and is started again")
        wait_until(lambda: len(api.process.children()) == 2, "there are two again")
        assert second in api.process.children()
        assert api.submit()
        children = api.process.children()
        api.process.kill()
        wait_until(lambda: not any(map(is_alive, children)), "nobody is left")


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize("which", ["API_PORT", "ADMIN_PORT"])
def test_a_port_that_is_taken_is_one_line(valkey: RedisServer, processes: str, which: str) -> None:
    """Also when another API has it, which would share it without a word; with the status for it."""
    with running_api(valkey.url, "-p", processes) as api, Ports() as ports:
        ours = api.ports.public if which == "API_PORT" else api.ports.admin
        env = {"REDIS_URL": valkey.url, "API_KEY": KEY, **ports.env, which: str(ours)}
        for arguments in ((), ("-p", "2")):
            with shoal("api", *arguments, env=env) as second:
                assert second.wait() == ExitStatus.SYSTEM
                [line] = [line for line in second.stderr.splitlines() if "error" in line]
                assert f"port {ours}: it is in use" in line
                assert which in line
        assert api.get("/livez").status == 200


@pytest.mark.parametrize(
    ("env", "arguments", "status", "words"),
    [
        ({"API_KEY": ""}, [], ExitStatus.CONFIGURATION, "API_KEY is not set"),
        ({"API_KEY": ""}, ["-p", "2"], ExitStatus.CONFIGURATION, "API_KEY is not set"),
        ({"API_KEY": "changeme"}, [], ExitStatus.CONFIGURATION, "well-known default"),
        ({"API_KEY": "admin-secret"}, [], ExitStatus.CONFIGURATION, "well-known default"),
        ({"API_KEY": "too-short"}, [], ExitStatus.CONFIGURATION, "at least 16 bytes"),
        ({"JWT_SECRET": "too-short"}, [], ExitStatus.CONFIGURATION, "at least 32 bytes"),
        ({"SHOAL_JWKS_FILE": "/none"}, [], ExitStatus.CONFIGURATION, "SHOAL_JWKS_FILE can't be"),
        ({"SHOAL_TRUSTED_PROXIES": "proxy"}, [], ExitStatus.CONFIGURATION, "10.0.0.0/8"),
        ({}, ["none:app"], ExitStatus.MODULE_NOT_FOUND, "there is no module 'none'"),
        ({}, ["-p", "2", "none:app"], ExitStatus.MODULE_NOT_FOUND, "there is no module 'none'"),
        ({}, ["nonsense"], ExitStatus.MODULE_NOT_FOUND, "MODULE:APP"),
        ({}, ["--api-port", "0"], ExitStatus.CONFIGURATION, "API_PORT must be"),
        ({"SHOAL_API_HOST": "localhost"}, [], ExitStatus.CONFIGURATION, "IP address"),
    ],
)
def test_what_keeps_it_from_starting_is_said(
    valkey: RedisServer, env: dict[str, str], arguments: list[str], status: ExitStatus, words: str
) -> None:
    """In a line, with the status for it, and without a traceback."""
    with Ports() as ports:
        settings = {"REDIS_URL": valkey.url, "API_KEY": KEY, **ports.env, **env}
        with shoal("api", *arguments, env=settings) as child:
            assert child.wait() == status
            assert words in child.stderr
            assert "Traceback" not in child.stderr


def test_a_redis_that_evicts_ends_it(valkey: RedisServer) -> None:
    """Even when that is found out after the start."""
    with Proxy(valkey.port) as proxy, Ports() as ports:
        with valkey.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        proxy.down()
        env = {"REDIS_URL": proxy.url, "API_KEY": KEY, "SHOAL_REDIS_TIMEOUT": "300ms", **ports.env}
        with shoal("api", env=env) as child:
            child.wait_for_output("the API listens")
            proxy.up()
            assert child.wait() == ExitStatus.EVICTION_POLICY
            assert "noeviction" in child.stderr
            assert "Traceback" not in child.stderr


def test_it_listens_where_it_is_told(valkey: RedisServer, tmp_path: Path) -> None:
    """On one address only; on all of them, both families, by default."""
    with running_api(valkey.url, env={"SHOAL_API_HOST": "127.0.0.1"}) as api:
        assert Client(api.ports).get("/livez").status == 200
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("::1", api.ports.public))
    with running_api(valkey.url) as api, socket.create_connection(("::1", api.ports.public)):
        pass
