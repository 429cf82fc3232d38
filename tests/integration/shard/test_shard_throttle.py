"""Shards that hold back: while Redis is slow, and while they are too large."""

from __future__ import annotations

import asyncio

from shoal import Shoal, TaskContext
from shoal.broker.registry import Registry
from shoal.page import PageState
from shoal.telemetry import metrics
from tests.integration.shard.harness import LiveShard, client_on, shard_on, until_settled
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


def _throttled(reason: str) -> float:
    registry = metrics.current().registry
    return registry.get_sample_value("shoal_throttled", {"why": reason}) or 0.0


def _state(shard: LiveShard) -> PageState:
    return shard.page.state


async def _says(client: Shoal) -> tuple[str, ...]:
    (record,) = await Registry(await client.broker()).live()
    return record.throttled


async def test_a_slow_redis_pauses_claims_and_a_fast_one_resumes_them(redis7: RedisServer) -> None:
    """Three slow PINGs: no claim, and it is seen; what comes meanwhile waits, and runs once Redis is fast."""
    app = Shoal()

    @app.task("quick")
    async def quick(_ctx: TaskContext, payload: int) -> int:
        return payload

    with Proxy(redis7.port) as proxy:
        async with (
            client_on(redis7) as client,
            shard_on(
                proxy.url, app, worker__throttle_latency_s=0.1, worker__heartbeat_s=0.5
            ) as shard,
        ):
            await (await client.submit("quick", 1)).result(5)
            proxy.delay(200)
            await wait_until_async(lambda: _throttled("latency") == 1, "it is throttled", 10)
            assert _state(shard) is PageState.PAUSED

            async def is_said() -> bool:
                return await _says(client) == ("latency",)

            await wait_until_async(is_said, "its record says so", 5)
            handles = await client.submit_many("quick", list(range(20)))
            # A claim that was under way may still have brought some; after its answer none follows.
            broker = await client.broker()
            claims = metrics.current().claims
            before = claims.labels("found")._value.get() + claims.labels("empty")._value.get()
            assert (await broker.counts_by_state())["PENDING"] == 20
            proxy.heal()
            assert [await handle.result(10) for handle in handles] == list(range(20))
            after = claims.labels("found")._value.get() + claims.labels("empty")._value.get()
            assert after > before
            await wait_until_async(lambda: _throttled("latency") == 0, "it is open again", 5)
            assert _state(shard) is PageState.READY
            await until_settled(broker, COMPLETED=21)


async def test_a_large_shard_runs_one_at_a_time(valkey: RedisServer) -> None:
    """Far above its soft limit of memory a shard still runs tasks, one after the other."""
    app = Shoal()
    running = most = 0

    @app.task("counts")
    async def counts(_ctx: TaskContext, _payload: None) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    async with (
        client_on(valkey) as client,
        shard_on(valkey.url, app, worker__throttle_memory="32MiB", worker__throttle_latency_s=5),
    ):
        await wait_until_async(lambda: _throttled("memory") == 1, "it is throttled", 10)
        await client.submit_many("counts", [None] * 20)
        await until_settled(await client.broker(), COMPLETED=20)
        assert most == 1
    assert _throttled("memory") == 0
