"""Dependencies over the masters of a cluster, and while a partition can't be reached."""

import pytest

from shoal import Shoal, TaskContext
from shoal.broker.verify import verify
from shoal.submission import make_plan
from shoal.submitter import Submitter
from tests.integration.broker.conftest import scene_on
from tests.integration.shard.harness import client_at, shard_on
from tests.support.builders import Scene, outcome
from tests.support.cluster import RedisCluster3
from tests.support.notices import deliver, outbox_of
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

PARTITIONS = 16
pytestmark = pytest.mark.timeout(120)


async def test_fan_in_and_fan_out_over_all_masters(cluster_scene: Scene) -> None:
    """One child of a parent in every partition, and a child in every partition of it."""
    scene = cluster_scene
    submitter = Submitter(scene.broker, 1.0)
    claims = {n: await scene.running(f"parent {n}", partition=n) for n in range(PARTITIONS)}
    plan = make_plan(
        "mail", {"depends_on": [scene.id(f"parent {n}", n) for n in range(PARTITIONS)]}, 0
    )
    joined = await submitter.one(plan, plan.header + b"1")
    children = []
    for n in range(PARTITIONS):
        child = make_plan("mail", {"depends_on": [joined], "task_id": scene.id(f"child {n}", n)}, 0)
        children.append(await submitter.one(child, child.header + b"1"))
    await deliver(scene)
    for n in range(PARTITIONS):
        assert (await scene.broker.inspect_one(joined)).state == "SCHEDULED"
        await scene.settle(outcome(claims[n][f"parent {n}"]), partition=n)
        await deliver(scene)
    assert (await scene.broker.inspect_one(joined)).state == "PENDING"
    (claim,) = (await scene.claim(partition=int(joined[15:18], 16))).claims
    await scene.settle(outcome(claim), partition=int(joined[15:18], 16))
    await deliver(scene)
    rows = await scene.broker.inspect(children)
    assert {row and row.state for row in rows} == {"PENDING"}


async def test_shard_on_a_cluster(cluster: RedisCluster3) -> None:
    """A chain over all partitions runs to its end by a live shard."""
    app = Shoal()

    @app.task("step")
    async def step(ctx: TaskContext, payload: int) -> int:
        return payload

    url = cluster.url.replace("redis://", "redis+cluster://")
    async with (
        client_at(url, partitions=PARTITIONS) as client,
        shard_on(url, app, partitions=PARTITIONS),
    ):
        tasks = [await client.submit("step", n) for n in range(PARTITIONS)]
        for n in range(20):
            tasks.append(await client.submit("step", n, depends_on=tasks[-PARTITIONS:]))
        assert await tasks[-1].result(60) == 19


async def test_a_partition_that_is_paused_delays_only_its_own(redis7: RedisServer) -> None:
    """Notices for a partition that can't be reached wait for it; others go on; none is lost."""
    async with scene_on(redis7, partitions=3) as scene:
        claims = await scene.running("parent")
        submitter = Submitter(scene.broker, 1.0)
        for n in (1, 2):
            plan = make_plan(
                "mail",
                {"depends_on": [scene.id("parent")], "task_id": scene.id(f"child {n}", n)},
                0,
            )
            await submitter.one(plan, plan.header + b"1")
        await deliver(scene)
        await scene.settle(outcome(claims["parent"]))
        await scene.broker.pause_partition(1)
        outbox = outbox_of(scene)
        await outbox.run_once(0)
        assert (await scene.broker.inspect_one(scene.id("child 2", 2))).state == "PENDING"
        assert scene.client().zcard(scene.key("outbox")) == 1
        await scene.broker.resume_partition(1)

        async def told() -> bool:
            await outbox.run_once(0)
            return (await scene.broker.inspect_one(scene.id("child 1", 1))).state == "PENDING"

        await wait_until_async(told, "the paused partition is told")
        report = await verify(scene.broker)
        assert report.ok, report.lines()
