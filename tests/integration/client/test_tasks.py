"""The asyncio client against a real API: tasks."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shoal import Priority, RetryPolicy, State
from shoal.client import Client, Conflict, Handle, NotAuthenticated, RateLimited
from shoal.errors import (
    ConfigurationError,
    InvalidPayload,
    InvalidTask,
    QueueFull,
    ResultTimeout,
    TaskCancelled,
    TaskFailed,
    TaskNotCancellable,
    TaskNotFound,
    UnknownDependency,
)
from tests.integration.client.conftest import UNKNOWN, url
from tests.support.api import KEY, Api, running_api
from tests.support.processes import shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


async def test_every_option_of_a_submission_arrives(client: Client) -> None:
    """The task that is read has what was said when it was submitted, and the payload exactly."""
    parent = await client.submit("mail")
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    handle = await client.submit(
        "mail",
        {"to": "ada", "n": 2**70},
        priority=Priority.HIGH,
        queue="bulk",
        scheduled_at=at,
        timeout=timedelta(seconds=7),
        retry=RetryPolicy(max_retries=2, strategy="fixed", initial_backoff=3),
        max_retries=5,
        metadata={"tenant": "a"},
        unique_key="one",
        depends_on=[parent],
        on_dependency_failure="run",
        retention="1h",
    )
    task = await handle.task()
    assert task.payload == {"to": "ada", "n": 2**70}
    assert (task.type, task.queue, task.priority) == ("mail", "bulk", Priority.HIGH)
    assert (task.scheduled_at, task.timeout, task.state) == (at, 7.0, State.SCHEDULED)
    assert (task.retry_policy.strategy, task.retry_policy.max_retries) == ("fixed", 5)
    assert (task.metadata, list(task.depends_on)) == ({"tenant": "a"}, [parent.id])
    assert await client.submit("mail", {}, unique_key="one") == handle


async def test_many_are_submitted_and_iterated_page_by_page(client: Client) -> None:
    """1,203 payloads give as many handles, in order, and the iterator meets each task once."""
    handles = await client.submit_many("mail", range(1203), metadata={"a": "b"})
    assert [(await h.task()).payload for h in (handles[0], handles[600], handles[-1])] == [
        0,
        600,
        1202,
    ]
    found = [task.id async for task in client.tasks(state="PENDING", type="mail", page_size=200)]
    assert sorted(found) == sorted(handle.id for handle in handles)
    page = await client.page(limit=3, include=["payload"])
    assert (page.total, len(page.tasks), page.next_cursor is not None) == (1203, 3, True)


async def test_results_and_failures_of_a_real_worker(
    client: Client, valkey: RedisServer, tmp_path: Path
) -> None:
    """A result comes back; a dead, a cancelled and a late task each raise what the application's handle raises."""
    env = {"REDIS_URL": valkey.url}
    with shoal("worker", "-n", "1", "tests.support.tasks_program:app", env=env) as worker:
        assert await (await client.submit("double", 21)).result("20s") == 42
        with pytest.raises(TaskFailed, match="as it was told") as failed:
            await (await client.submit("boom")).result("20s")
        assert failed.value.task.state is State.DEAD
        later = await client.submit("double", 1, delay="1h")
        with pytest.raises(ResultTimeout):
            await client.result(later.id, 0.2)
        assert await later.cancel()
        with pytest.raises(TaskCancelled):
            await later.result()
        with pytest.raises(TaskNotCancellable) as ended:
            await client.cancel(later.id)
        assert ended.value.state == "CANCELLED"
        await client.requeue(failed.value.task.id)
        # A key that OpenTelemetry would send; here any submitter's own.
        traced = await client.submit("metadata", None, metadata={"traceparent": "mine"})
        assert await traced.result("20s") == {"traceparent": "mine"}
        with pytest.raises(TaskFailed):
            await client.result(failed.value.task.id, "20s")
        worker.terminate()
        assert worker.wait() == 0


async def test_what_is_wrong_is_said_by_the_same_errors(client: Client, api: Api) -> None:
    """Before anything is sent where that is possible, else by the problem's code."""
    with pytest.raises(InvalidTask, match="delay or scheduled_at"):
        await client.submit("mail", delay=1, scheduled_at="2030-01-01T00:00:00Z")
    with pytest.raises(InvalidPayload, match="payload 1"):
        await client.submit_many("mail", [1, object()])
    with pytest.raises(InvalidTask, match="idempotency_key"):
        await client.submit("mail", task_id=UNKNOWN)
    with pytest.raises(UnknownDependency):
        await client.submit("mail", depends_on=[UNKNOWN])
    with pytest.raises(TaskNotFound):
        await client.task(UNKNOWN)
    with pytest.raises(InvalidTask):
        client.handle("nonsense")
    async with Client(url(api.ports.public), "another-key-than-it-has") as stranger:
        with pytest.raises(NotAuthenticated) as refused:
            await stranger.stats()
        assert (refused.value.status, refused.value.code) == (401, "unauthorized")
    for wrong in ("localhost:8080", "ftp://x", "http://me:you@x", "http://x?key=1"):
        with pytest.raises(ConfigurationError, match="url"):
            Client(wrong, KEY)


async def test_a_key_of_ones_own_makes_a_repetition_safe(client: Client) -> None:
    """The same key and arguments give the same task, another payload is refused."""
    first = await client.submit("mail", 1, idempotency_key="order-7")
    assert await client.submit("mail", 1, idempotency_key="order-7") == first
    with pytest.raises(Conflict):
        await client.submit("mail", 2, idempotency_key="order-7")
    many = await client.submit_many("mail", range(600), idempotency_key="orders")
    assert await client.submit_many("mail", range(600), idempotency_key="orders") == many


async def test_full_queues_say_when_to_come_again(proven: RedisServer) -> None:
    """After the retries QueueFull is raised; of many, which were stored and which not."""
    with running_api(proven.url, env={"MAX_QUEUE_SIZE": "3"}) as api:
        async with Client(url(api.ports.public), KEY, retries=0) as client:
            with pytest.raises(QueueFull) as full:
                await client.submit_many("mail", range(100))
            assert len(full.value.accepted) + len(full.value.refused) == 100
            assert full.value.retry_after_s >= 1
            page = await client.page()
            assert page.total == len(full.value.accepted)


async def test_too_fast_waits_as_long_as_was_said(proven: RedisServer) -> None:
    """With retries each submission is accepted; without them RateLimited says when to come again."""
    with running_api(proven.url, env={"SHOAL_RATE_LIMIT": "2", "SHOAL_RATE_BURST": "1"}) as api:
        async with Client(url(api.ports.public), KEY) as client:
            handles = await asyncio.gather(*(client.submit("mail", n) for n in range(3)))
            assert len(set(handles)) == 3
        async with Client(url(api.ports.public), KEY, retries=0) as hasty:
            with pytest.raises(RateLimited) as refused:
                await asyncio.gather(*(hasty.submit("mail", n) for n in range(5)))
            assert (refused.value.retry_after_s or 0) >= 1


async def test_a_token_that_is_a_function_is_asked_each_time(client: Client, api: Api) -> None:
    """So that it may be renewed."""
    tokens = iter([KEY, KEY, "no-longer-a-key-that-is-known"])
    async with Client(url(api.ports.public), token=lambda: next(tokens)) as other:
        handle = await other.submit("mail")
        assert (await handle.task()).id == handle.id
        with pytest.raises(NotAuthenticated):
            await other.stats()


async def test_stats_are_typed(client: Client) -> None:
    """What was submitted is counted in the Struct that the OpenAPI document is made from."""
    await client.submit_many("mail", range(5))

    async def counted() -> bool:
        return (await client.stats()).tasks["PENDING"] == 5

    await wait_until_async(counted, "five tasks wait")


def test_a_handle_is_known_by_its_id(api: Api) -> None:
    """Two of one task are equal."""
    a_client = Client(url(api.ports.public), KEY)
    task_id = UNKNOWN
    assert {Handle(a_client, task_id), a_client.handle(task_id.upper())} == {
        Handle(a_client, task_id)
    }
    asyncio.run(a_client.aclose())
