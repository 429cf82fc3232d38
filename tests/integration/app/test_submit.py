"""Tasks are submitted once, whatever is said of them and however many."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from shoal import Shoal, State
from shoal.config import Settings
from shoal.errors import InvalidPayload, InvalidTask, TaskNotCancellable, TaskNotFound
from shoal.model.identity import partition_of, task_id
from shoal.model.priority import Priority
from tests.support.servers import RedisServer


async def test_a_submitted_task_waits_with_all_that_was_said(server: RedisServer) -> None:
    """On every kind of server: state, payload, priority, queue, policy, metadata come back."""
    async with Shoal(Settings.load({"REDIS_URL": server.url})) as app:
        handle = await app.submit(
            "email.send",
            {"to": "ada", "big": 10**30},
            priority="high",
            queue="mail",
            max_retries=5,
            timeout="30s",
            metadata={"order": "17"},
        )
        task = await handle.task()
    assert task.id == handle.id
    assert task.state is State.PENDING
    assert task.payload == {"to": "ada", "big": 10**30}
    assert (task.priority, task.queue, task.timeout) == (Priority.HIGH, "mail", 30)
    assert task.retry_policy.max_retries == 5
    assert task.metadata == {"order": "17"}


async def test_a_delayed_task_is_scheduled(app: Shoal) -> None:
    """By delay and by time; what is past is ready at once."""
    delayed = await app.submit("t", delay="5m")
    at = datetime.now(UTC) + timedelta(hours=1)
    later = await app.submit("t", scheduled_at=at)
    past = await app.submit("t", scheduled_at="2020-01-01T00:00:00Z")
    assert await delayed.state() is State.SCHEDULED
    assert await later.state() is State.SCHEDULED
    assert await past.state() is State.PENDING
    shown = (await later.task()).scheduled_at
    assert shown is not None
    assert abs(shown - at) < timedelta(milliseconds=2)


async def test_a_definition_submits_with_its_defaults(app: Shoal) -> None:
    """Queue and priority of the type hold unless the submitter says otherwise."""

    @app.task("mail", queue="mail", priority="LOW")
    async def mail(ctx: object, payload: dict[str, str]) -> None: ...

    task = await (await mail.submit({"to": "x"})).task()
    assert (task.type, task.queue, task.priority) == ("mail", "mail", Priority.LOW)
    task = await (await mail.submit({"to": "x"}, priority="CRITICAL")).task()
    assert (task.queue, task.priority) == ("mail", Priority.CRITICAL)


async def test_a_repeated_id_is_one_task(app: Shoal) -> None:
    """Submitting again with the id that was used changes nothing."""
    first = await app.submit("t", 1)
    again = await app.submit("t", 2, task_id=first.id.upper())
    assert again == first
    assert (await again.task()).payload == 1
    broker = await app.broker()
    assert await broker.counts() == {("PENDING", "t"): 1}


async def test_an_id_of_a_partition_that_does_not_exist_is_refused(app: Shoal) -> None:
    """It was made by a system with more partitions."""
    with pytest.raises(InvalidTask, match="partition 99"):
        await app.submit("t", task_id=task_id(99, 1_700_000_000_000, 1))


async def test_a_unique_key_is_held_until_the_task_ends(app: Shoal) -> None:
    """Meanwhile another submission returns the task that holds it."""
    first = await app.submit("t", 1, unique_key="order-17")
    assert await app.submit("t", 2, unique_key="order-17") == first
    assert await app.submit("t", 2, unique_key="order-18") != first
    assert await first.cancel()
    assert await app.submit("t", 3, unique_key="order-17") != first


async def test_submit_many_keeps_the_order_and_spreads_over_partitions(app: Shoal) -> None:
    """1,500 payloads: handle n is payload n, each id once, and every partition has some."""
    handles = await app.submit_many("t", ({"n": n} for n in range(1500)), priority="LOW")
    assert len({handle.id for handle in handles}) == 1500
    for n in (0, 199, 200, 1499):
        assert (await handles[n].task()).payload == {"n": n}
    assert set(Counter(partition_of(handle.id) for handle in handles)) == set(range(8))
    broker = await app.broker()
    assert await broker.counts() == {("PENDING", "t"): 1500}
    assert await app.submit_many("t", []) == []


async def test_a_payload_that_is_no_json_refuses_the_whole_list(app: Shoal) -> None:
    """It is named by its place, and nothing was stored."""
    payloads = [*range(500), {"a": float("nan")}]
    with pytest.raises(InvalidPayload, match=r"payloads\[500\].a: NaN"):
        await app.submit_many("t", payloads)
    with pytest.raises(InvalidPayload, match="SHOAL_MAX_PAYLOAD"):
        await app.submit("t", "x" * 1024 * 1024)
    with pytest.raises(InvalidTask, match="one task"):
        await app.submit_many("t", [1], unique_key="x")
    broker = await app.broker()
    assert await broker.counts() == {}


async def test_large_payloads_are_spread_over_round_trips(app: Shoal) -> None:
    """Ten of 900 KB are more than one call may carry, and all arrive."""
    handles = await app.submit_many("t", ["x" * 900_000] * 10)
    several = await asyncio.gather(*(app.submit("t", "y" * 900_000) for _ in range(6)))
    assert len({handle.id for handle in [*handles, *several]}) == 16
    assert len((await handles[9].task()).payload) == 900_000


async def test_submissions_made_at_once_share_round_trips(app: Shoal) -> None:
    """A thousand at once take a few script calls, and each gets its own task."""
    broker = await app.broker()
    calls = 0
    submit = broker.submit

    async def counting(partition, tasks):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        nonlocal calls
        calls += 1
        return await submit(partition, tasks)

    broker.submit = counting  # type: ignore[method-assign]
    handles = await asyncio.gather(*(app.submit("t", {"n": n}) for n in range(1000)))
    assert len({handle.id for handle in handles}) == 1000
    assert (await handles[417].task()).payload == {"n": 417}
    assert calls < 20


async def test_a_cancelled_caller_does_not_take_others_along(app: Shoal) -> None:
    """What was handed over is stored, and the neighbours of its round trip get their handles."""
    given_up = asyncio.ensure_future(app.submit("t", 1))
    other = asyncio.ensure_future(app.submit("t", 2))
    await asyncio.sleep(0)
    given_up.cancel()
    handle = await other
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert (await handle.task()).payload == 2


async def test_a_task_that_waits_is_cancelled_at_once(app: Shoal) -> None:
    """And once it has ended it cannot be; an id that nobody knows is not found."""
    handle = await app.submit("t", delay=60)
    assert await handle.cancel("no longer wanted")
    task = await handle.task()
    assert (task.state, task.reason) == (State.CANCELLED, "no longer wanted")
    with pytest.raises(TaskNotCancellable) as caught:
        await handle.cancel()
    assert caught.value.state == "CANCELLED"
    unknown = app.handle(task_id(0, 1_700_000_000_000, 1))
    for ask in (unknown.task, unknown.state, unknown.cancel):
        with pytest.raises(TaskNotFound):
            await ask()
    with pytest.raises(InvalidTask):
        app.handle("7")
