"""The client when the way to the API fails."""

import asyncio

import pytest

from shoal.client import ApiUnreachable, Client, Event
from tests.integration.client.conftest import url
from tests.support.api import KEY, Api
from tests.support.ports import reserve_port
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until, wait_until_async


async def test_a_lost_answer_is_asked_for_again_and_the_work_accepted_once(api: Api) -> None:
    """The submission is carried out, its answer lost, the repetition finds the same task."""
    with Proxy(api.ports.public) as proxy:
        async with Client(url(proxy.port), KEY, timeout=0.5, retries=20) as client:
            proxy.hold_replies()
            single = asyncio.create_task(client.submit("mail", 1))
            many = asyncio.create_task(client.submit_many("mail", range(40)))
            await wait_until_async(
                lambda: proxy.held_bytes("replies") > 2000, "two answers and more are held"
            )
            proxy.reset()
            proxy.heal()
            ids = {(await single).id, *(handle.id for handle in await many)}
            page = await client.page()
            assert (page.total, len(ids)) == (41, 41)


async def test_an_api_that_comes_back_is_found_again(api: Api) -> None:
    """What is submitted while it is away is accepted once it is there."""
    with Proxy(api.ports.public) as proxy:
        async with Client(url(proxy.port), KEY, retries=20) as client:
            proxy.down()
            submission = asyncio.create_task(client.submit("mail"))
            await asyncio.sleep(0)
            proxy.up()
            assert (await (await submission).task()).type == "mail"


async def test_nobody_there_is_told_after_the_retries() -> None:
    """ApiUnreachable, and that nothing was sent."""
    with reserve_port() as free:
        async with Client(url(free.port), KEY, retries=1) as client:
            with pytest.raises(ApiUnreachable, match="no answer from the API") as away:
                await client.submit("mail")
            assert not away.value.outcome_unknown


async def test_an_answer_that_never_comes_is_told_as_unknown(api: Api) -> None:
    """With the key to repeat it by, and the repetition gives the task that was stored."""
    with Proxy(api.ports.public) as proxy:
        async with Client(url(proxy.port), KEY, timeout=0.3, retries=0) as client:
            proxy.hold_replies()
            with pytest.raises(ApiUnreachable) as away:
                await client.submit("mail", 7)
            assert away.value.outcome_unknown
            wait_until(lambda: proxy.held_bytes("replies") > 0, "it was carried out")
            proxy.heal()
        async with Client(url(api.ports.public), KEY) as client:
            await client.submit("mail", 7, idempotency_key=away.value.idempotency_key)
            assert (await client.page()).total == 1


async def test_events_go_on_after_the_connection_was_lost(api: Api, client: Client) -> None:
    """Each submission is told once, also those of the time without a connection."""
    with Proxy(api.ports.public) as proxy:
        async with Client(url(proxy.port), KEY) as listener:
            heard: list[Event] = []

            async def listen() -> None:
                async for event in listener.events(events=["task.submitted"], types=["mail"]):
                    heard.append(event)  # noqa: PERF401 - it has no end

            listening = asyncio.create_task(listen())
            probes = 0

            async def stands() -> bool:
                nonlocal probes
                probes += 1
                await client.submit("mail", "probe")
                return bool(heard)

            await wait_until_async(stands, "the stream stands")
            proxy.down()
            handles = await client.submit_many("mail", range(20))
            proxy.up()
            last = await client.submit("mail", "last")
            wanted = {last.id, *(handle.id for handle in handles)}
            await wait_until_async(
                lambda: wanted <= {event.data["task_id"] for event in heard}, "all are told", 40.0
            )
            told = [event.data["task_id"] for event in heard]
            assert len(told) == len(set(told))
            listening.cancel()
            since = next(event.id for event in heard if event.data["task_id"] == handles[0].id)
            again: list[Event] = []
            async for event in client.events(events=["task.submitted"], since=since):
                again.append(event)
                if event.data["task_id"] == last.id:
                    break
            assert wanted - {handles[0].id} <= {event.data["task_id"] for event in again}
