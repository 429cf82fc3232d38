"""What is refused, and what is not known, is said exactly."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shoal import Shoal
from shoal.config import Settings
from shoal.errors import (
    BrokerUnavailable,
    MemoryFull,
    PartitionPaused,
    QueueFull,
    TooManyQueues,
    TooManyTypes,
)
from shoal.model.identity import partition_of
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer


def app_on(url: str, **settings: str) -> Shoal:
    """With settings by their names."""
    return Shoal(Settings.load({"REDIS_URL": url, **settings}))


@pytest_asyncio.fixture
async def proxy(valkey: RedisServer) -> AsyncIterator[Proxy]:
    """Between the application and Valkey."""
    with Proxy(valkey.port) as made:
        yield made


async def test_a_full_partition_sends_submissions_to_others(valkey: RedisServer) -> None:
    """Room for 16 in 4 partitions takes exactly 16 single submissions."""
    async with app_on(valkey.url, MAX_QUEUE_SIZE="16", SHOAL_PARTITIONS="4") as app:
        for _ in range(16):
            await app.submit("t", 1)
        with pytest.raises(QueueFull) as caught:
            await app.submit("t", 1)
        assert caught.value.retry_after_s > 0
        await app.submit("t", 1, priority="HIGH")
        broker = await app.broker()
        assert await broker.counts() == {("PENDING", "t"): 17}


async def test_submit_many_says_what_was_accepted(valkey: RedisServer) -> None:
    """Of 1,000 for 300 places, 300 ids are accepted and the 700 other places named."""
    async with app_on(valkey.url, MAX_QUEUE_SIZE="300", SHOAL_PARTITIONS="3") as app:
        with pytest.raises(QueueFull, match="300 of 1000 tasks were accepted") as caught:
            await app.submit_many("t", range(1000))
        error = caught.value
        assert len(set(error.accepted)) == 300
        assert len(error.refused) == 700
        assert list(error.refused) == sorted(set(error.refused))
        places = [n for n in range(1000) if n not in set(error.refused)]
        for place, accepted in zip(places, error.accepted, strict=True):
            if place % 50 == 0:
                assert (await app.handle(accepted).task()).payload == place


async def test_too_many_types_and_queues_are_refused(valkey: RedisServer) -> None:
    """Each names its limit; what exists goes on."""
    limits = {"SHOAL_MAX_TYPES": "2", "SHOAL_MAX_QUEUES": "1", "SHOAL_PARTITIONS": "1"}
    async with app_on(valkey.url, **limits) as app:
        await app.submit("a")
        await app.submit("b")
        with pytest.raises(TooManyTypes, match="SHOAL_MAX_TYPES"):
            await app.submit("c")
        with pytest.raises(TooManyQueues, match="SHOAL_MAX_QUEUES"):
            await app.submit("a", queue="other")
        with pytest.raises(TooManyTypes):
            await app.submit("c", unique_key="k")
        await app.submit("a")


async def test_full_memory_is_said_as_such(valkey: RedisServer) -> None:
    """MemoryFull, with nothing stored."""
    async with app_on(valkey.url) as app:
        await app.submit("t")
        with valkey.client() as client:
            client.config_set("maxmemory", "1mb")
            try:
                with pytest.raises(MemoryFull):
                    await app.submit("t")
                with pytest.raises(MemoryFull) as caught:
                    await app.submit_many("t", range(500))
                assert caught.value.accepted == ()
                assert len(caught.value.refused) == 500
            finally:
                client.config_set("maxmemory", "0")


async def test_a_paused_partition_is_gone_around(valkey: RedisServer) -> None:
    """Unkeyed submissions go to the others; when all are paused it is said."""
    async with app_on(valkey.url, SHOAL_PARTITIONS="2") as app:
        broker = await app.broker()
        await broker.pause_partition(0)
        handles = [await app.submit("t") for _ in range(4)]
        assert {partition_of(handle.id) for handle in handles} == {1}
        await broker.pause_partition(1)
        with pytest.raises(PartitionPaused):
            await app.submit("t")
        await broker.resume_partition(0)
        await broker.resume_partition(1)


async def test_a_lost_reply_stores_each_task_once(proxy: Proxy) -> None:
    """Replies are held back for 400 ms: the submission is repeated with the same ids."""
    async with app_on(proxy.url, SHOAL_REDIS_TIMEOUT="150ms", SHOAL_LEASE="3s") as app:
        await app.submit("t", 0)
        proxy.hold_replies()
        submission = asyncio.ensure_future(app.submit_many("t", range(300)))
        await asyncio.sleep(0.4)  # longer than a timeout: the point of this test
        proxy.heal()
        handles = await submission
        assert len({handle.id for handle in handles}) == 300
        broker = await app.broker()
        assert await broker.counts() == {("PENDING", "t"): 301}


async def test_an_unknown_outcome_carries_the_ids(proxy: Proxy) -> None:
    """Without an answer for three timeouts the ids are told, and repeating with them is safe."""
    async with app_on(proxy.url, SHOAL_REDIS_TIMEOUT="100ms", SHOAL_LEASE="3s") as app:
        await app.submit("t", 0)
        proxy.hold_replies()
        one, two = await asyncio.gather(
            app.submit("t", 1), app.submit("t", 2), return_exceptions=True
        )
        many = await asyncio.gather(app.submit_many("t", [3, 4]), return_exceptions=True)
        proxy.heal()
        assert isinstance(one, BrokerUnavailable)
        assert isinstance(two, BrokerUnavailable)
        assert isinstance(many[0], BrokerUnavailable)
        assert one.outcome_unknown
        assert [len(one.ids), len(two.ids), len(many[0].ids)] == [1, 1, 2]
        assert one.ids != two.ids
        assert many[0].refused == (0, 1)
        for payload, known in ((1, one.ids[0]), (2, two.ids[0]), (3, many[0].ids[0])):
            handle = await app.submit("t", payload, task_id=known)
            assert (await handle.task()).payload == payload
        await app.submit("t", 4, task_id=many[0].ids[1])
        broker = await app.broker()
        assert await broker.counts() == {("PENDING", "t"): 5}


async def test_what_was_never_sent_is_known_not_to_be_stored(proxy: Proxy) -> None:
    """With Redis away from the start nothing is unknown, and there are no ids to look for."""
    async with app_on(proxy.url, SHOAL_REDIS_TIMEOUT="100ms", SHOAL_LEASE="3s") as app:
        proxy.down()
        with pytest.raises(BrokerUnavailable):
            await app.submit("t", 0)
        with pytest.raises(BrokerUnavailable) as caught:
            await app.submit("t", 1)
        assert not caught.value.outcome_unknown
        assert caught.value.ids == ()
        proxy.up()
