"""Limits over all partitions together: exactly so many, and no more."""

import asyncio

import pytest

from shoal import Shoal
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from shoal.errors import QueueFull, ShoalError, TooManyQueues, TooManyTypes
from tests.integration.shard.harness import client_on
from tests.support.builders import settings_for
from tests.support.servers import RedisServer


async def refusals(wishes: list[asyncio.Future[object]]) -> list[BaseException]:
    """What was not accepted, and why."""
    told = await asyncio.gather(*wishes, return_exceptions=True)
    return [one for one in told if isinstance(one, BaseException)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_ten_in_eight_partitions(redis7: RedisServer, at_once: bool) -> None:
    """A limit of 10 over 8 partitions admits exactly 10 of a queue and priority, one by one and all at once."""
    async with client_on(redis7, partitions=8, limit__max_queue_size=10) as client:
        refused: list[BaseException] = []
        for _ in range(1 if at_once else 25):
            count = 25 if at_once else 1
            refused += await refusals(
                [asyncio.ensure_future(client.submit("t")) for _ in range(count)]
            )
        assert [type(error) for error in refused] == [QueueFull] * 15
        # Another priority and another queue have limits of their own.
        await client.submit("t", priority="HIGH")
        await client.submit("t", queue="other")
        assert (await (await client.broker()).counts_by_state())["PENDING"] == 12


async def test_there_is_room_again(redis7: RedisServer) -> None:
    """What was cancelled makes room, wherever it stood."""
    async with client_on(redis7, partitions=8, limit__max_queue_size=10) as client:
        handles = [await client.submit("t") for _ in range(10)]
        await handles[3].cancel()
        await client.submit("t")
        with pytest.raises(QueueFull):
            await client.submit("t")


async def test_what_waits_for_its_time(redis7: RedisServer) -> None:
    """SHOAL_MAX_SCHEDULED bounds the scheduled ones alike, and not what is ready."""
    async with client_on(redis7, partitions=8, limit__max_scheduled=10) as client:
        refused = await refusals(
            [asyncio.ensure_future(client.submit("t", delay="5m")) for _ in range(25)]
        )
        assert [type(error) for error in refused] == [QueueFull] * 15
        await client.submit("t")
        states = await (await client.broker()).counts_by_state()
        assert (states["SCHEDULED"], states["PENDING"]) == (10, 1)


async def test_internal_moves_are_never_refused(redis7: RedisServer) -> None:
    """What is requeued, or becomes due, goes into a full queue."""
    async with client_on(redis7, partitions=1, limit__max_queue_size=1) as client:
        broker = await client.broker()
        first = await client.submit("t")
        await first.cancel()
        await client.submit("t")
        [answer] = await broker.requeue([first.id], "op-1")
        assert answer.status == "requeued"
        await client.submit("t", delay=0.001)
        claimed = await broker.claim(0, "w-0.aaaaaa", 1, 0)
        assert claimed.status == "ok"
        assert (await broker.counts_by_state())["PENDING"] >= 2
        await broker.release(0, "w-0.aaaaaa", "drained")


async def test_a_batch_that_fits_in_part(redis7: RedisServer) -> None:
    """Of 25 together 10 are accepted, and the error names those that are not."""
    async with client_on(redis7, partitions=8, limit__max_queue_size=10) as client:
        with pytest.raises(ShoalError) as caught:
            await client.submit_many("t", range(25))
        assert (len(caught.value.accepted), len(caught.value.refused)) == (10, 15)


async def admitted(client: Shoal, count: int) -> tuple[int, set[type[BaseException]]]:
    """How many of so many new types, each in a new queue, were let in; and why others were not."""
    errors: list[BaseException] = []
    for n in range(count):
        try:
            await client.submit(f"t{n}", queue=f"q{n}")
        except ShoalError as error:
            errors.append(error)
    return count - len(errors), {type(error) for error in errors}


async def test_types_and_queues(redis7: RedisServer) -> None:
    """However many partitions there are, only so many types and queues are let in; those that are in stay."""
    async with client_on(redis7, partitions=8, limit__max_types=2) as client:
        assert await admitted(client, 20) == (2, {TooManyTypes})
        await client.submit("t1", queue="another")
        # One of a batch that is refused keeps no other from being stored.
        async with client_on(redis7, partitions=8, limit__max_types=2) as other:
            await other.submit_many("t0", range(3))
            with pytest.raises(TooManyTypes):
                await other.submit("t2")
    async with client_on(redis7, partitions=8, namespace="u", limit__max_queues=2) as client:
        assert await admitted(client, 20) == (2, {TooManyQueues})
        await client.submit("t77", queue="q1")


async def test_verify_finds_a_key_of_another_type(redis7: RedisServer) -> None:
    """The sets of types and queues must be sets."""
    settings = settings_for(redis7.url)
    with redis7.client() as client:
        async with Shoal(settings) as app:
            await app.submit("t")
            client.delete("{t}:types")
            client.set("{t}:types", "x")
            [finding] = (await verify(await app.broker())).findings
            assert (finding.code, finding.key) == (Code.WRONG_TYPE, "{t}:types")
