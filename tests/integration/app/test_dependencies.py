"""Dependencies as programs use them, with a shard that runs the tasks."""

import pytest

from shoal import Shoal, State, TaskContext
from shoal.errors import InvalidTask, QueueFull, TaskCancelled, UnknownDependency
from tests.integration.shard.harness import client_on, shard_on
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

ids: list[str] = []


def app_that_notes() -> Shoal:
    """Tasks that say when they ran, and one that fails."""
    app = Shoal()

    @app.task("note", max_retries=0)
    async def note(ctx: TaskContext, payload: int) -> int:
        ids.append(ctx.id)
        if payload < 0:
            raise ValueError("no")
        return payload

    return app


async def test_chain_and_fan_in(server: RedisServer) -> None:
    """Each runs after those it depends on, wherever they stand, and a batch is one graph."""
    ids.clear()
    async with (
        client_on(server, partitions=4) as client,
        shard_on(server.url, app_that_notes(), partitions=4),
    ):
        parents = [await client.submit("note", n) for n in range(8)]
        joined = await client.submit("note", 8, depends_on=parents)
        batch = client.batch()
        first = batch.add("note", 9, depends_on=[joined])
        second = batch.add("note", 10, depends_on=[first])
        third = batch.add("note", 11, depends_on=[first, second, parents[0].id])
        handles = await batch.submit()
        assert await handles[2].result(30) == 11
        assert [third.handle, second.handle] == [handles[2], handles[1]]
        assert ids[8:] == [joined.id, *(handle.id for handle in handles)]
        task = await joined.task()
        assert list(task.depends_on) == [parent.id for parent in parents]
        assert list(task.waiting_for) == []


async def test_failure_cascades(valkey: RedisServer) -> None:
    """A parent that dies cancels its children and theirs; one that runs anyway runs."""
    async with (
        client_on(valkey, partitions=4) as client,
        shard_on(valkey.url, app_that_notes(), partitions=4),
    ):
        parent = await client.submit("note", -1)
        child = await client.submit("note", 1, depends_on=[parent])
        grandchild = await client.submit("note", 2, depends_on=[child.id])
        anyway = await client.submit("note", 3, depends_on=[parent], on_dependency_failure="run")
        assert await anyway.result(30) == 3
        for handle in (child, grandchild):
            with pytest.raises(TaskCancelled, match="dependency_failed"):
                await handle.result(30)
        late = await client.submit("note", 4, depends_on=[parent])
        assert await late.state() is State.CANCELLED


async def test_refusals(valkey: RedisServer) -> None:
    """What can't be is said in words, before anything is stored."""
    async with client_on(valkey, partitions=2) as client:
        nobody = "01890a5d-ac96-7001-8000-000000000001"
        for key in (None, "k"):
            with pytest.raises(UnknownDependency, match=nobody):
                await client.submit("note", 1, depends_on=[nobody], unique_key=key)
        with pytest.raises(InvalidTask, match="wait for itself"):
            await client.submit("note", 1, depends_on=[nobody], task_id=nobody)
        with pytest.raises(InvalidTask, match="list of task ids"):
            await client.submit("note", 1, depends_on=nobody)
        with pytest.raises(InvalidTask, match='"cancel" or "run"'):
            await client.submit("note", 1, on_dependency_failure="stop")  # type: ignore[arg-type]
        with pytest.raises(UnknownDependency):
            await client.submit_many("note", [1, 2], depends_on=[nobody])
        with pytest.raises(InvalidTask, match="TASK_RETENTION_DAYS"):
            await client.submit("note", 1, retention="8d")
        batch = client.batch()
        first = batch.add("note", 1, depends_on=[nobody])
        batch.add("note", 2, depends_on=[first])
        batch.add("note", 3)
        with pytest.raises(UnknownDependency) as caught:
            await batch.submit()
        assert (len(caught.value.accepted), caught.value.refused) == (1, (0, 1))


async def test_full_partition(valkey: RedisServer) -> None:
    """A child goes where its parent is while there is room, and elsewhere when there is none."""
    async with client_on(valkey, partitions=2, limit__max_scheduled=4) as client:
        parent = await client.submit("note", 1)
        children = await client.submit_many("note", [1, 2, 3, 4], depends_on=[parent])
        assert len({child.id[15:18] for child in children}) == 2
        with pytest.raises(QueueFull):
            await client.submit("note", 5, depends_on=[parent])
        assert [await child.state() for child in children] == [State.SCHEDULED] * 4


async def test_retention_of_a_task_and_a_type(valkey: RedisServer) -> None:
    """A retention of 0 leaves a tombstone; one of its own is pruned by itself; a type's by its journal."""
    app = app_that_notes()

    @app.task("brief", retention=0.2)
    async def brief(ctx: TaskContext, payload: int) -> int:
        return payload

    async with client_on(valkey) as client, shard_on(valkey.url, app):
        kept = await client.submit("note", 1)
        gone = await client.submit("note", 2, retention=0)
        short = await client.submit("note", 3, retention=0.1)
        typed = await client.submit("brief", 4)
        assert await kept.result(30) == 1
        broker = await client.broker()

        async def are_gone() -> bool:
            return await broker.inspect([gone.id, short.id, typed.id]) == [None] * 3

        async def forgotten() -> bool:
            row = (await broker.inspect([gone.id]))[0]
            return row is None or (row.state == "COMPLETED" and "spec" not in row.fields)

        await wait_until_async(forgotten, "its contents are gone")
        await wait_until_async(are_gone, "they are pruned", 15)
        assert (await kept.task()).result == 1
