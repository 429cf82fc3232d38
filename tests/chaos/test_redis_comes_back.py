"""Redis killed, frozen, loading or out of reach under load: 503 meanwhile, at work again in two seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from shoal import Shoal
from tests.chaos.host import LEASE_S, PARTITIONS, Host
from tests.chaos.load import under_load
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.support.api import Api, running_api
from tests.support.binaries import Kind
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

RESUMES_S = 2.0
#: Commands in the append-only file that only make its loading long, and the time for each of them.
BALLAST = 12_000
LOAD_DELAY_US = 250
BOTH = pytest.mark.parametrize("kind", ["redis7", "valkey"])


@contextmanager
def api_on(url: str, partitions: int = PARTITIONS) -> Iterator[Api]:
    """An API beside the host, in its namespace."""
    env = {
        "SHOAL_NAMESPACE": "t",
        "SHOAL_PARTITIONS": str(partitions),
        "SHOAL_REDIS_TIMEOUT": "300ms",
    }
    with running_api(url, env=env) as api:
        yield api


async def is_away(api: Api) -> None:
    """Wait until the API says that Redis is away, and see that it refuses as it should."""

    async def says_so() -> bool:
        return (await asyncio.to_thread(api.get, "/health")).status == 503

    await wait_until_async(says_so, "the API knows that Redis is away")
    answer = await asyncio.to_thread(api.get, "/api/v1/tasks")
    assert (answer.status, answer.code) == (503, "broker_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def is_back(api: Api) -> None:
    """Wait until the API serves again."""

    async def serves() -> bool:
        return (await asyncio.to_thread(api.get, "/api/v1/tasks")).status == 200

    await wait_until_async(serves, "the API serves again")


@pytest.mark.slow
@BOTH
async def test_killed_under_load(kind: Kind, tmp_path: Path) -> None:
    """Kill -9 and a start from the AOF: 503 meanwhile, every shard at work in 2 s, nothing lost or twice."""
    with (
        RedisServer(kind, config={"appendfsync": "always"}) as server,
        api_on(server.url) as api,
    ):
        async with under_load(server.url, Ledger(tmp_path / "l"), "killed", kind) as load:
            server.kill()
            await is_away(api)
            await asyncio.to_thread(server.start)
            assert await load.resumed(time.monotonic_ns()) < RESUMES_S
            await is_back(api)


@pytest.mark.slow
async def test_frozen_for_a_second(redis7: RedisServer, tmp_path: Path) -> None:
    """SIGSTOP for about as long as the socket deadline: nothing is applied twice, nothing runs twice."""
    ledger = Ledger(tmp_path / "l")
    async with under_load(redis7.url, ledger, "frozen for 1 s", "redis7") as load:
        redis7.stop_process()
        await asyncio.sleep(1.0)  # the fault itself
        redis7.continue_process()
        assert await load.resumed(time.monotonic_ns()) < RESUMES_S


@pytest.mark.slow
@BOTH
async def test_loading(kind: Kind, tmp_path: Path) -> None:
    """While Redis loads its file all is as if it were away, and the log does not fill; then work goes on."""
    config = {"appendfsync": "always", "key-load-delay": "0"}
    with RedisServer(kind, config=config) as server, api_on(server.url) as api:
        with server.client() as client, client.pipeline(transaction=False) as pipe:
            for _ in range(BALLAST):
                pipe.incr("ballast")
            pipe.execute()
        ledger = Ledger(tmp_path / "l")
        async with under_load(server.url, ledger, "loading its file", kind) as load:
            said = load.host.process.stderr.count("\n")
            server.kill()
            server.configure(key_load_delay=str(LOAD_DELAY_US))
            starting = asyncio.create_task(asyncio.to_thread(server.start))
            await wait_until_async(lambda: _says_loading(server), "it says LOADING")
            await is_away(api)
            assert not starting.done(), "it was still loading"
            await starting
            assert await load.resumed(time.monotonic_ns()) < RESUMES_S
            await is_back(api)
            lines = load.host.process.stderr.splitlines()[said:]
        assert len(lines) < 20, "\n".join(lines)


def _says_loading(server: RedisServer) -> bool:
    with server.client(timeout_s=2.0) as client:
        try:
            client.ping()
        except redis.BusyLoadingError:
            return True
        except (redis.RedisError, OSError):
            return False
    return False


@pytest.mark.slow
async def test_packets_dropped_both_ways(valkey: RedisServer, tmp_path: Path) -> None:
    """A connection that swallows everything is noticed in 3 s; work goes on 2 s after the network does.

    For two leases, so that whoever took silence for death would have taken the tasks.
    """
    with Proxy(valkey.port) as proxy, api_on(proxy.url) as api:
        async with under_load(
            valkey.url, Ledger(tmp_path / "l"), "packets dropped", "valkey", way=proxy.url
        ) as load:
            began_s = time.monotonic()
            proxy.black_hole()
            await is_away(api)
            assert time.monotonic() - began_s < 3.0
            await asyncio.sleep(2 * LEASE_S)  # the fault itself
            proxy.heal()
            assert await load.resumed(time.monotonic_ns()) < RESUMES_S
            await is_back(api)


@pytest.mark.slow
@BOTH
async def test_back_without_its_data(kind: Kind, tmp_path: Path) -> None:
    """Persistence off: warned of at the start; what was lost answers 404, and all that comes later works."""
    ledger = Ledger(tmp_path / "l")
    with RedisServer(kind, config={"appendonly": "no"}) as server, api_on(server.url) as api:
        async with Shoal(settings_for(server.url, partitions=PARTITIONS)) as client:
            with Host(server.url, ledger) as host:
                await host.ready()
                before = host.incarnations()
                done = [h.id for h in await client.submit_many("work", [0.01] * 20)]
                await wait_until_async(lambda: len(ledger.task_ids("finish")) == 20, "they ran")
                lost = [h.id for h in await client.submit_many("work", [0.01] * 20, delay=60)]
                running = [h.id for h in await client.submit_many("work", [2.0] * 5)]
                await wait_until_async(lambda: len(ledger.task_ids("start")) == 25, "they run")
                await asyncio.to_thread(server.restart)
                await is_back(api)
                for task_id in done + lost:
                    answer = await asyncio.to_thread(api.get, f"/api/v1/tasks/{task_id}")
                    assert answer.status == 404, answer.body
                later = [await asyncio.to_thread(api.submit, "work", 0.01) for _ in range(20)]
                gone = [Submitted(task_id, "unknown") for task_id in done + lost + running]
                await prove(client, [*map(Submitted, later), *gone], ledger)
                assert host.incarnations() == before
                record("killed, with persistence off", kind, tasks=len(later))
                warned = "a restart loses tasks; set appendonly yes"
                assert warned in host.process.stderr
                assert warned in api.process.stderr
