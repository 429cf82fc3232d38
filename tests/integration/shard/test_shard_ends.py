"""What follows when shards end of their own accord: real supervisors, real shards, a real registry."""

from __future__ import annotations

import os
import re
import signal

from shoal import Shoal, State
from shoal.broker import keys
from shoal.errors import ExitStatus
from tests.integration.shard.harness import until_settled
from tests.support.ledger import LEDGER_VARIABLE, Ledger
from tests.support.processes import ChildProcess, shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until, wait_until_async

RECORD = keys.worker("t", "w-0")


def worker(url: str, ledger: Ledger, *arguments: str, **env: object) -> ChildProcess:
    """A host of the name ``w``."""
    settings = {
        "REDIS_URL": url,
        "SHOAL_NAMESPACE": "t",
        "SHOAL_PARTITIONS": "1",
        "SHOAL_LEASE": "3s",
        "SHOAL_TOMBSTONE": "1s",
        "WORKER_ID": "w",
        "WORKER_HEARTBEAT_INTERVAL": "500ms",
        LEDGER_VARIABLE: str(ledger.path),
        **{name: str(value) for name, value in env.items()},
    }
    return shoal("worker", *arguments, "tests.integration.shard.program:app", env=settings)


def lives(host: ChildProcess) -> list[str]:
    """Incarnations that have been ready."""
    return re.findall(r"is ready: (\S+),", host.stderr)


async def test_a_recycled_shard_is_replaced_at_once_and_counts_for_nothing(
    client: Shoal, valkey: RedisServer, ledger: Ledger
) -> None:
    """Some lives in a row, none after a pause."""
    handles = await client.submit_many("sleep", [0.3] * 9)
    with worker(valkey.url, ledger, "-n", "1", "-c", "1", SHOAL_MAX_TASKS_PER_SHARD=1) as host:
        for handle in handles:
            await handle.result(30)
        assert len(lives(host)) >= 4
        host.terminate()
        assert host.wait(15) == ExitStatus.OK
        assert "exit status 10" in host.stderr
        assert "starts again in" not in host.stderr
        assert "died" not in host.stderr


async def test_recycling_by_memory_goes_on_in_burst_mode(
    client: Shoal, valkey: RedisServer, ledger: Ledger
) -> None:
    """Each life is too large from its birth on; the work is done all the same, and the burst ends with 0."""
    await client.submit_many("sleep", [0.4] * 6)
    with worker(
        valkey.url, ledger, "-n", "1", "-c", "2", "--burst", SHOAL_MAX_MEMORY_PER_SHARD="32MiB"
    ) as host:
        assert host.wait(40) == ExitStatus.OK
        assert len(lives(host)) > 1
    await until_settled(await client.broker(), COMPLETED=6)


async def test_a_wished_shutdown_stays_down_until_the_next_start(
    client: Shoal, valkey: RedisServer, ledger: Ledger
) -> None:
    """Its neighbour goes on; when all are down the host ends with 0; the next start of the name works."""
    with valkey.client() as redis:
        with worker(valkey.url, ledger, "-n", "2") as host:
            wait_until(lambda: len(lives(host)) == 2, "both are ready", 20)
            redis.hset(RECORD, "desired", "shutdown")
            host.wait_for_output("shard 0 ended")
            await (await client.submit("sleep", 0.0)).result(10)
            assert redis.hget(RECORD, "left") == b"shutdown"
            redis.hset(keys.worker("t", "w-1"), "desired", "shutdown")
            assert host.wait(15) == ExitStatus.OK
            assert len(lives(host)) == 2
            assert host.stderr.count("exit status 11") == 2
        waiting = await client.submit("sleep", 0.0)
        with worker(valkey.url, ledger, "-n", "1") as host:
            await waiting.result(15)
            assert redis.hget(RECORD, "desired") is None
            host.terminate()
            assert host.wait(15) == ExitStatus.OK


async def test_a_shutdown_that_a_kill_overtook_is_still_wished(
    client: Shoal, valkey: RedisServer, ledger: Ledger
) -> None:
    """The shard is killed while it drains: its replacement hands nothing out and stays down."""
    with valkey.client() as redis, worker(valkey.url, ledger, "-n", "1") as host:
        wait_until(lambda: len(lives(host)) == 1, "it is ready", 20)
        handle = await client.submit("sleep", 60)
        await wait_until_async(lambda: len(ledger.read("start")) == 1, "it runs")
        redis.hset(RECORD, "desired", "shutdown")
        host.wait_for_output("an operator asked for it")
        (shard,) = host.children()
        os.kill(shard, signal.SIGKILL)
        assert host.wait(15) == ExitStatus.OK
        assert "exit status 11" in host.stderr
        assert await handle.state() is State.PENDING


async def test_a_pause_outlives_a_restart(
    client: Shoal, valkey: RedisServer, ledger: Ledger
) -> None:
    """The next life of the name claims nothing, from its start on, until it is resumed."""
    with valkey.client() as redis:
        with worker(valkey.url, ledger, "-n", "1") as host:
            wait_until(lambda: len(lives(host)) == 1, "it is ready", 20)
            redis.hset(RECORD, "desired", "paused")
            host.terminate()
            assert host.wait(15) == ExitStatus.OK
        handle = await client.submit("sleep", 0.0)
        with worker(valkey.url, ledger, "-n", "1") as host:
            wait_until(lambda: len(lives(host)) == 1, "it is ready", 20)

            seen: set[object] = set()

            def several_beats() -> bool:
                seen.add(redis.hget(RECORD, "beat"))
                return len(seen) > 4

            # Polls are 1 s apart, heartbeats half a second.
            wait_until(several_beats, "heartbeats")
            assert b'"PAUSED"' in redis.hget(RECORD, "record")
            assert await handle.state() is State.PENDING
            redis.hdel(RECORD, "desired")
            await handle.result(10)
            host.terminate()
            assert host.wait(15) == ExitStatus.OK
