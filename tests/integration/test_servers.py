"""The suite's own servers do what tests rely on."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.binaries import Kind, MissingBinary, find_binary
from tests.support.cluster import RedisCluster3, slot_ranges
from tests.support.processes import is_alive, python
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until, wait_until_async

VERSIONS: dict[Kind, str] = {"valkey": "9.", "redis7": "7.", "redis8": "8."}

OWNER = """
from tests.support.servers import RedisServer
import signal
server = RedisServer("redis7").start()
print(server.pid, server.directory, flush=True)
signal.pause()
"""


def test_kind_and_configuration(server: RedisServer) -> None:
    """Each kind is the server it names, writes an AOF every second and evicts nothing."""
    with server.client(decode=True) as client:
        info = client.info("server")
        version = info.get("valkey_version") or info["redis_version"]
        assert version.startswith(VERSIONS[server.kind])
        assert info["process_id"] == server.pid
        assert client.config_get("append*", "save", "maxmemory-policy") == {
            **client.config_get("append*"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }


def test_kill_and_restart_keep_the_data(server: RedisServer) -> None:
    """After a kill -9 the server comes back on the same port with what it had acknowledged."""
    url = server.url
    with server.client() as client:
        client.set("kept", "yes")
        server.kill()
        assert not server.is_running
        with pytest.raises(redis.ConnectionError):
            client.ping()
        server.restart()
        assert server.url == url
        assert client.get("kept") == b"yes"


def test_stopped_process_answers_when_continued(redis7: RedisServer) -> None:
    """SIGSTOP makes the server silent without closing anything."""
    with redis7.client(timeout_s=0.1) as client:
        client.ping()
        redis7.stop_process()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        redis7.continue_process()
        wait_until(client.ping, "the server answers again")


def test_flush_mends_what_a_test_left(valkey: RedisServer) -> None:
    """A flush brings back a changed, filled, paused, stopped or dead server."""
    with valkey.client() as client:
        client.set("a", "1")
        client.config_set("maxmemory-policy", "allkeys-lru", "maxmemory", "100mb")
        client.client_pause(60_000)
    valkey.stop_process()
    valkey.flush()
    with valkey.client(decode=True) as client:
        assert client.dbsize() == 0
        assert client.config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
        assert client.config_get("maxmemory")["maxmemory"] == "0"
        client.set("a", "1")
    valkey.kill()
    valkey.flush()
    with valkey.client() as client:
        assert client.dbsize() == 0


def test_servers_do_not_outlive_their_test_process() -> None:
    """A test process that is killed -9 takes its servers with it."""
    with python("-c", OWNER) as owner:
        owner.wait_for_output("\n")
        pid, directory = owner.stdout.split()
        owner.kill()
        wait_until(lambda: not is_alive(int(pid)), "the server is gone")
        assert Path(directory).is_dir()


def test_a_missing_binary_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-server a test fails and says how to install it; it is never skipped."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingBinary, match="apt-get install redis-server"):
        find_binary("redis7")


def test_a_server_that_cannot_start_shows_its_log() -> None:
    """A wrong configuration fails the start at once, with the server's own words."""
    with pytest.raises(RuntimeError, match=r"(?s)ended at its start:.*maxmemory-policy"):
        RedisServer("redis7", config={"maxmemory-policy": "bogus"}).__enter__()


async def test_lost_reply_has_happened(redis7: RedisServer) -> None:
    """With replies held the client knows nothing, and the server has done it."""
    with Proxy(redis7.port) as proxy, redis7.client() as observer:
        client = AsyncRedis.from_url(
            proxy.url, protocol=2, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)
        )
        try:
            await client.ping()
            proxy.hold_replies()
            with pytest.raises(redis.TimeoutError):
                await client.incr("counter")
            await wait_until_async(lambda: proxy.held_bytes("replies") > 0, "the reply is held")
            assert observer.get("counter") == b"1"
            proxy.heal()
            assert await client.incr("counter") == 2
        finally:
            await client.aclose()


async def test_proxy_outlives_the_servers_restart(redis7: RedisServer) -> None:
    """A proxy before a server that is killed and restarted passes on again."""
    with Proxy(redis7.port) as proxy:
        client = AsyncRedis.from_url(proxy.url, protocol=2, retry=Retry(NoBackoff(), 0))
        try:
            await client.set("kept", "yes")
            redis7.kill()
            with pytest.raises((redis.ConnectionError, ConnectionError)):
                await client.ping()
            await asyncio.to_thread(redis7.restart)
            assert await client.get("kept") == b"yes"
        finally:
            await client.aclose()


def test_cluster_serves_every_slot(cluster: RedisCluster3) -> None:
    """Three masters hold a third of the slots each, and a client reaches all of them."""
    assert slot_ranges()[0][0] == 0
    assert slot_ranges()[-1][1] == 16_383
    with cluster.client(decode=True) as client:
        for number in range(64):
            client.set(f"key:{number}", number)
        sizes = []
        for node in cluster.nodes:
            with node.client() as direct:
                sizes.append(direct.dbsize())
    assert sum(sizes) == 64
    assert min(sizes) > 0


def test_cluster_master_comes_back(cluster: RedisCluster3) -> None:
    """A master that is killed takes only its slots away, and returns with its data."""
    with cluster.client(decode=True) as client:
        for number in range(16):
            client.set(f"key:{number}", number)
    cluster.kill(1)
    with cluster.nodes[0].client() as direct:
        assert direct.ping()
    cluster.restart(1)
    with cluster.client(decode=True) as client:
        assert [client.get(f"key:{number}") for number in range(16)] == [
            str(number) for number in range(16)
        ]


def test_cluster_says_which_master_has_a_slot(cluster: RedisCluster3) -> None:
    """The node of a slot accepts a key of that slot."""
    slot = 16_383
    with cluster.client() as client:
        assert client.nodes_manager.get_node_from_slot(slot).port == cluster.node_of_slot(slot).port
    with pytest.raises(ValueError, match="16384"):
        cluster.node_of_slot(16_384)


def test_signal_does_not_reach_servers_through_the_terminal(redis7: RedisServer) -> None:
    """Servers are in sessions of their own, so Ctrl-C in the terminal ends only the tests."""
    assert os.getsid(redis7.pid) != os.getsid(0)
    assert signal.getsignal(signal.SIGINT) is not None
