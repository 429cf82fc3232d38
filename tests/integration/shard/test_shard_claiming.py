"""Claims: how soon, how many, which first, and none lost or doubled whatever happens to replies."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sized
from contextlib import AsyncExitStack
from functools import partial

import pytest

from shoal import Shoal, TaskContext
from shoal.broker import keys
from shoal.model.identity import task_id
from tests.integration.shard.harness import client_at, client_on, shard_on, until_settled
from tests.support.cluster import RedisCluster3
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


class Counting:
    """An application that counts how often each task ran, and how many at once."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.app = Shoal()
        self.runs: Counter[str] = Counter()
        self.now = 0
        self.most = 0

        @self.app.task("count")
        async def count(ctx: TaskContext, _payload: object) -> None:
            self.runs[ctx.id] += 1
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(seconds)
            self.now -= 1


async def _until_length(seen: Sized, length: int) -> None:
    await wait_until_async(lambda: len(seen) == length, f"{length} ran", interval_s=0.0005)


@pytest.mark.alone
async def test_an_idle_shard_hears_of_a_task_at_once(server: RedisServer) -> None:
    """By its wake-up and not by the 1 s poll: the median of 20 pick-ups is far below it."""
    counting = Counting()
    async with (
        client_on(server, partitions=8) as client,
        shard_on(server.url, counting.app, partitions=8),
    ):
        waits = []
        for n in range(1, 21):
            start = time.monotonic()
            await client.submit("count", n)
            await _until_length(counting.runs, n)
            waits.append(time.monotonic() - start)
        assert sorted(waits)[10] < 0.05


async def test_a_shard_runs_as_many_as_it_may_and_no_more(valkey: RedisServer) -> None:
    """With 500 waiting, its slots fill up and never more than its concurrency run at once."""
    counting = Counting(0.005)
    async with client_on(valkey, partitions=4) as client:
        await client.submit_many("count", range(500))
        async with shard_on(valkey.url, counting.app, partitions=4, worker__concurrency=7):
            await until_settled(await client.broker(), COMPLETED=500)
        assert counting.most == 7
        assert set(counting.runs.values()) == {1}


async def test_several_shards_share_the_work_and_each_task_runs_once(server: RedisServer) -> None:
    """Three shards, 1,500 tasks in 8 partitions: all run, none twice, and every shard runs some."""
    counters = [Counting(0.001) for _ in range(3)]
    async with client_on(server, partitions=8) as client, AsyncExitStack() as stack:
        for index, counting in enumerate(counters):
            shard = shard_on(server.url, counting.app, index=index, partitions=8)
            await stack.enter_async_context(shard)
        await client.submit_many("count", range(1500))
        await until_settled(await client.broker(), COMPLETED=1500)
        runs = sum((counting.runs for counting in counters), Counter())
        assert len(runs) == 1500
        assert set(runs.values()) == {1}
        assert all(counting.runs for counting in counters)


async def test_higher_priorities_go_first(valkey: RedisServer) -> None:
    """One slot, tasks of all priorities waiting in 4 partitions: CRITICAL, HIGH, NORMAL, LOW."""
    app = Shoal()
    order: list[str] = []

    @app.task("note")
    async def note(_ctx: TaskContext, payload: str) -> None:
        order.append(payload)

    async with client_on(valkey, partitions=4) as client:
        for priority in ("LOW", "CRITICAL", "NORMAL", "HIGH"):
            for _ in range(8):
                await client.submit("note", priority, priority=priority)
        async with shard_on(valkey.url, app, partitions=4, worker__concurrency=1):
            await until_settled(await client.broker(), COMPLETED=32)
    # The first round asks all partitions at once, and every 16th claim goes to the oldest task.
    strays = sum(order[k] != name for k, name in enumerate(sorted(order, key=_rank)))
    assert strays <= 8
    assert order[-1] == "LOW"


async def test_with_weights_no_priority_and_no_partition_starves(valkey: RedisServer) -> None:
    """LOW tasks have their share beside CRITICAL ones, also in a partition that has nothing else."""
    app = Shoal()
    order: list[str] = []

    @app.task("note")
    async def note(_ctx: TaskContext, payload: str) -> None:
        order.append(payload)

    async with client_on(valkey, partitions=2) as client:
        for n in range(120):
            for priority in ("LOW", "CRITICAL"):
                own = task_id(0, 1_700_000_000_000, n * 2 + (priority == "LOW"))
                await client.submit("note", priority, priority=priority, task_id=own)
        for n in range(60):
            own = task_id(1, 1_700_000_000_000, n)
            await client.submit("note", "ALONE", priority="LOW", task_id=own)
        async with shard_on(
            valkey.url, app, partitions=2, worker__concurrency=1, priority_mode="weighted"
        ):
            await until_settled(await client.broker(), COMPLETED=300)
    seen = Counter(order[:100])
    assert seen["CRITICAL"] > 4 * seen["LOW"]
    assert seen["LOW"] >= 2
    assert seen["ALONE"] >= 20


def _rank(name: str) -> int:
    return ["CRITICAL", "HIGH", "NORMAL", "LOW"].index(name)


@pytest.mark.alone
async def test_urgent_work_passes_a_backlog(valkey: RedisServer) -> None:
    """A CRITICAL task submitted behind 3,000 LOW ones of 5 ms starts within 100 ms."""
    app = Shoal()
    started: list[float] = []

    @app.task("low")
    async def low(_ctx: TaskContext, _payload: object) -> None:
        await asyncio.sleep(0.005)

    @app.task("urgent")
    async def urgent(_ctx: TaskContext, _payload: object) -> None:
        started.append(time.monotonic())

    async with client_on(valkey, partitions=8) as client:
        await client.submit_many("low", range(3000), priority="LOW")
        async with shard_on(valkey.url, app, partitions=8):
            await wait_until_async(lambda: True, "the shard is busy")
            delays = []
            for n in range(1, 11):
                start = time.monotonic()
                await client.submit("urgent", priority="CRITICAL")
                await _until_length(started, n)
                delays.append(started[-1] - start)
            await until_settled(await client.broker(), COMPLETED=3010)
        assert sorted(delays)[5] < 0.1


def _broke(proxy: Proxy, accepted: int, counting: Counting) -> bool:
    return proxy.accepted > accepted or len(counting.runs) == 2000


@pytest.mark.timeout(120)
async def test_lost_replies_to_claims_give_every_task_once(redis7: RedisServer) -> None:
    """Connections that break in the middle of replies, 40 times: all 2,000 tasks run, none twice.

    The lease is far longer than the test, so nothing is put right by its end.
    """
    counting = Counting(0.001)
    with Proxy(redis7.port) as proxy:
        async with client_on(redis7, partitions=2) as client:
            await client.submit_many("count", range(2000))
            broker = await client.broker()
            async with shard_on(
                proxy.url, counting.app, partitions=2, worker__lease_s=600, redis__timeout_s=0.3
            ):
                for n in range(40):
                    has_broken = partial(_broke, proxy, proxy.accepted, counting)
                    proxy.cut_after(300 + 97 * n)
                    await wait_until_async(has_broken, "a connection broke")
                    proxy.heal()
                await until_settled(broker, COMPLETED=2000)
    assert len(counting.runs) == 2000
    assert set(counting.runs.values()) == {1}


async def test_redis_frozen_in_the_middle_of_work_costs_nothing(redis7: RedisServer) -> None:
    """Frozen for longer than the deadline of calls: what ran is recorded, nothing runs twice, all goes on."""
    counting = Counting(0.002)
    async with client_on(redis7, partitions=4) as client:
        await client.submit_many("count", range(1500))
        broker = await client.broker()
        async with shard_on(redis7.url, counting.app, partitions=4, redis__timeout_s=0.3):
            await wait_until_async(lambda: len(counting.runs) > 100, "it works")
            redis7.stop_process()
            await asyncio.sleep(1.0)  # the outage itself
            redis7.continue_process()
            start = time.monotonic()
            done = len(counting.runs)
            await wait_until_async(lambda: len(counting.runs) > done + 20, "it goes on")
            assert time.monotonic() - start < 2.0
            await until_settled(broker, COMPLETED=1500)
    assert set(counting.runs.values()) == {1}


async def test_a_late_claim_reply_finds_its_tasks_a_place_or_hands_them_back(
    valkey: RedisServer,
) -> None:
    """Replies held until the shard has given up on them: afterwards every task runs exactly once."""
    counting = Counting(0.01)
    with Proxy(valkey.port) as proxy:
        async with (
            client_on(valkey, partitions=4) as client,
            shard_on(
                proxy.url, counting.app, partitions=4, worker__lease_s=600, redis__timeout_s=0.3
            ),
        ):
            for _ in range(3):
                proxy.hold_replies()
                await client.submit_many("count", range(60))
                await wait_until_async(lambda: proxy.held_bytes("replies") > 0, "a reply is held")
                await asyncio.sleep(0.5)  # longer than the deadline of a call
                proxy.heal()
                await asyncio.sleep(0.05)
            await until_settled(await client.broker(), COMPLETED=180)
    assert len(counting.runs) == 180
    assert set(counting.runs.values()) == {1}


async def test_a_paused_worker_finishes_and_claims_nothing_until_resumed(
    valkey: RedisServer,
) -> None:
    """The registry's wish is heard with the next heartbeat, and the page says so."""
    counting = Counting()
    async with client_on(valkey) as client, shard_on(valkey.url, counting.app) as shard:
        with valkey.client() as redis:
            worker = keys.workers("t").replace("workers", "worker:w-0")
            redis.hset(worker, "desired", "paused")
            await wait_until_async(lambda: shard.page.state.name == "PAUSED", "it is paused")
            await client.submit("count")
            await asyncio.sleep(1.2)  # longer than a poll
            assert counting.runs == Counter()
            redis.hset(worker, "desired", "")
            await wait_until_async(lambda: len(counting.runs) == 1, "it goes on")
        assert shard.page.state.name == "READY"


async def test_a_shard_serves_only_its_queues(valkey: RedisServer) -> None:
    """With -Q, tasks of other queues are left for others."""
    counting = Counting()
    async with client_on(valkey) as client:
        await client.submit("count", queue="mine")
        await client.submit("count", queue="other")
        async with shard_on(valkey.url, counting.app, worker__queues="mine"):
            await until_settled(await client.broker(), COMPLETED=1, PENDING=1)


@pytest.mark.alone
async def test_a_full_shard_passes_its_wake_up_on(valkey: RedisServer) -> None:
    """The one woken has no slot; the other starts the task long before its poll."""
    app, slow_done = Shoal(), asyncio.Event()
    starts: list[float] = []

    @app.task("slow")
    async def slow(_ctx: TaskContext, _payload: object) -> None:
        starts.append(time.monotonic())
        await slow_done.wait()

    async with client_on(valkey) as client, AsyncExitStack() as stack:
        for index in range(2):
            await stack.enter_async_context(
                shard_on(valkey.url, _copy(app), index=index, worker__concurrency=2)
            )
        waits = []
        for n in range(1, 5):
            begin = time.monotonic()
            await client.submit("slow")
            await _until_length(starts, n)
            waits.append(starts[-1] - begin)
        slow_done.set()
        await until_settled(await client.broker(), COMPLETED=4)
        assert sorted(waits)[2] < 0.2


def _copy(app: Shoal) -> Shoal:
    """The same handlers for another shard of this loop."""
    other = Shoal()
    for name, task in app.tasks.items():
        other.task(name)(task.handler)
    return other


async def test_a_shard_works_on_a_cluster(cluster: RedisCluster3) -> None:
    """Sixteen partitions on three masters: woken, claimed and settled on each of them."""
    counting = Counting()
    url = cluster.url.replace("redis://", "redis+cluster://")
    async with (
        client_at(url, partitions=16) as client,
        shard_on(url, counting.app, partitions=16),
    ):
        for n in range(32):
            await client.submit("count", n)
        await until_settled(await client.broker(), COMPLETED=32)
