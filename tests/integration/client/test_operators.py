"""What operators do with the client."""

import pytest

from shoal.client import Client, Conflict, InvalidRequest, NotFound
from shoal.errors import InvalidSchedule, ScheduleNotFound, TaskNotFound
from tests.integration.client.conftest import UNKNOWN, url
from tests.support.api import KEY, Api
from tests.support.processes import shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


async def test_many_tasks_are_moved_by_an_operation(client: Client) -> None:
    """It is begun, looked at until it is finished, and stands among the newest."""
    handles = await client.submit_many("mail", range(30))
    begun = await client.operations.begin("cancel", filter={"states": ["PENDING"], "type": "mail"})

    async def finished() -> bool:
        return (await client.operations.get(begun.id)).state == "finished"

    await wait_until_async(finished, "the operation is finished")
    assert (await client.operations.newest())[0].id == begun.id
    assert (await handles[0].task()).state == "CANCELLED"
    assert (await client.operations.stop(begun.id)).state == "finished"
    with pytest.raises(NotFound):
        await client.operations.get("op-unknown")
    with pytest.raises(Conflict):
        await client.operations.begin("cancel", ids=[handles[0].id], id=begun.id)
    with pytest.raises(InvalidRequest, match="task_ids or filter"):
        await client.operations.begin("cancel")


async def test_schedules_from_first_to_last(client: Client) -> None:
    """Added twice as one, paused, resumed, triggered, removed."""
    added = await client.schedules.add("report", "0 9 * * *", "mail", {"n": 1}, tz="Europe/Berlin")
    assert (added.id, added.tz, added.paused) == ("report", "Europe/Berlin", False)
    again = await client.schedules.add("report", "0 9 * * *", "mail", {"n": 1}, tz="Europe/Berlin")
    assert again.id == "report"
    with pytest.raises(Conflict):
        await client.schedules.add("report", "0 8 * * *", "mail")
    assert (await client.schedules.pause("report")).paused
    assert not (await client.schedules.resume("report")).paused
    task = await client.task(await client.schedules.trigger("report"))
    assert task.payload == {"n": 1}
    assert [one.id for one in await client.schedules.all()] == ["report"]
    await client.schedules.remove("report")
    with pytest.raises(ScheduleNotFound):
        await client.schedules.get("report")
    with pytest.raises(InvalidSchedule, match="no option"):
        await client.schedules.add("x", "@daily", "mail", unique_key="a")


async def test_queues_are_seen_and_steered(client: Client) -> None:
    """Depths, a pause, a resume, a purge."""
    await client.submit_many("mail", range(4), priority="HIGH", queue="bulk")

    async def deep() -> bool:
        rows = {row.priority: row.depth for row in await client.queues.all()}
        return rows["HIGH"] == 4

    await wait_until_async(deep, "the depth is seen")
    assert await client.queues.pause("HIGH") == ["bulk"]
    assert await client.queues.resume("HIGH", "bulk") == ["bulk"]
    assert await client.queues.purge("HIGH", "bulk") == 4


async def test_dead_tasks_and_workers(client: Client, api: Api, valkey: RedisServer) -> None:
    """Dead tasks are grouped, listed and made ready again; workers are paused, resumed, ended."""
    env = {"REDIS_URL": valkey.url, "WORKER_ID": "w"}
    with shoal("worker", "-n", "1", "tests.support.tasks_program:app", env=env) as worker:
        handles = await client.submit_many("boom", range(3))

        async def dead() -> bool:
            return (await client.page(state="DEAD")).total == 3

        await wait_until_async(dead, "three are dead", 20.0)
        assert {task.id async for task in client.dead_letters.all(page_size=2)} == {
            handle.id for handle in handles
        }
        [group] = (await client.dead_letters.groups()).groups
        assert group["type"] == "boom"
        [one] = await client.workers.all()
        assert (one.id, (await client.workers.get("w-0")).pid) == ("w-0", one.pid)
        await client.workers.pause("w-0")
        begun = await client.dead_letters.requeue(ids=[handles[0].id])

        async def ready() -> bool:
            return (await client.operations.get(begun.id)).answers.get("requeued") == 1

        await wait_until_async(ready, "it is ready again")
        await client.workers.resume("w-0")
        with pytest.raises(NotFound):
            await client.workers.get("nobody")
        await wait_until_async(dead, "it is dead again", 20.0)
        await client.workers.shutdown("w-0")
        worker.terminate()
        assert worker.wait() == 0
    with pytest.raises(TaskNotFound):
        await client.requeue(UNKNOWN)
    async with Client(url(api.ports.public), KEY) as public:
        with pytest.raises(NotFound, match="admin_url"):
            await public.workers.all()
