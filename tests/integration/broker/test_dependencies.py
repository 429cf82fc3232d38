"""Tasks that wait for others: in one partition by one script, across partitions by notices."""

from typing import Any

import pytest

from shoal.broker.outbox import Notice, Outboxes
from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene, outcome, submission
from tests.support.notices import deliver
from tests.support.servers import RedisServer

pytestmark = pytest.mark.timeout(120)


async def child_of(
    scene: Scene, name: str, *parents: str, partition: int = 0, **fields: Any
) -> str:
    """Submit a child; ``parents`` are tokens as the script takes them. Returns its status."""
    task = submission(scene.id(name, partition), parents=parents, **fields)
    return (await scene.broker.submit(partition, [task]))[0].status


async def state_of(scene: Scene, name: str, partition: int = 0) -> str:
    """Where a task stands."""
    return (await scene.broker.inspect_one(scene.id(name, partition))).state


async def test_child_waits_and_runs(scene: Scene) -> None:
    """A child is in no stream until its parent has COMPLETED: settle writes a notice, resolve makes it ready."""
    claims = await scene.running("parent")
    before = scene.state()
    assert await child_of(scene, "child", scene.id("parent")) == "new"
    changed = scene.changes(before)
    assert changed["task:child/state"] == "SCHEDULED"
    assert changed["task:child/parents"] == "parent"
    assert changed["task:child/ends"] == "w"
    assert changed["task:parent/ends"] == "d"
    assert changed["waiting:child/parent"] == "member"
    assert changed["dependents:parent/child"] == "0"
    assert changed["counts/SCHEDULED"] == "1"
    assert "scheduled/child" not in changed
    shown = await scene.broker.inspect_one(scene.id("child"))
    assert shown.fields["waiting"].decode() == scene.id("parent")
    before = scene.state()
    await scene.settle(outcome(claims["parent"]))
    changed = scene.changes(before)
    assert changed["outbox/finished COMPLETED MS parent"] == "MS"
    assert changed["ended:parent"] == "COMPLETED (expires)"
    assert not any("child" in path for path in changed)
    before = scene.state()
    await deliver(scene)
    changed = scene.changes(before)
    assert changed == {
        "outbox/finished COMPLETED MS parent": None,
        "dependents:parent/child": None,
        "waiting:child/parent": None,
        "task:parent/ends": None,
        "task:child/state": None,
        "task:child/entry": "default:1/child.1",
        "stream:default:1/child.1": "child mail",
        "index:SCHEDULED/child": None,
        "index:SCHEDULED:mail/child": None,
        "counts/SCHEDULED": "0",
        "counts/SCHEDULED:mail": "0",
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "ready/default:1": "1",
        "events/5": "k=resolved o=child mail PENDING dependencies_ended",
    }
    assert scene.named((await scene.claim()).claims) == ["child"]


@pytest.mark.parametrize("word", ["dead", "cancelled"])
@pytest.mark.parametrize("runs_anyway", [False, True])
async def test_parent_that_does_not_complete(scene7: Scene, word: Any, runs_anyway: bool) -> None:
    """Whatever else a parent's end is: the child is CANCELLED with the reason, and its own child; or it runs."""
    claims = await scene7.running("parent")
    await child_of(scene7, "child", scene7.id("parent"), runs_anyway=runs_anyway)
    await child_of(scene7, "grandchild", scene7.id("child"))
    await scene7.settle(outcome(claims["parent"], word))
    await deliver(scene7)
    if runs_anyway:
        assert await state_of(scene7, "child") == "PENDING"
        assert await state_of(scene7, "grandchild") == "SCHEDULED"
    else:
        for name in ("child", "grandchild"):
            task = await scene7.broker.inspect_one(scene7.id(name))
            assert (task.state, task.fields["reason"]) == ("CANCELLED", b"dependency_failed")
        child = await scene7.broker.inspect_one(scene7.id("child"))
        assert scene7.id("parent").encode() in child.fields["error"]


@pytest.mark.parametrize(
    ("word", "runs_anyway", "state"),
    [("completed", False, "PENDING"), ("dead", False, "CANCELLED"), ("dead", True, "PENDING")],
)
async def test_parent_that_has_ended(
    scene7: Scene, word: Any, runs_anyway: bool, state: str
) -> None:
    """A child of a task that has ended already waits for nothing: it is ready, or CANCELLED at once."""
    await scene7.ended(word, "parent")
    assert await child_of(scene7, "child", scene7.id("parent"), runs_anyway=runs_anyway) == "new"
    assert await state_of(scene7, "child") == state
    assert not scene7.client().exists(scene7.key("outbox"))


async def test_unknown_parent(scene: Scene) -> None:
    """A child of a task nobody knows, of itself too, is refused, and leaves nothing behind."""
    await scene.submit("a")
    before = scene.state()
    assert await child_of(scene, "child", scene.id("a"), scene.id("nobody")) == "unknown_parent"
    assert await child_of(scene, "child", scene.id("child")) == "unknown_parent"
    assert scene.changes(before) == {}


async def test_submitted_together(scene7: Scene) -> None:
    """Parents and children of one call are one step; a parent's unique key may name the one that stood before."""
    await scene7.submit("stood before", unique_key="k")
    tasks = [
        submission(scene7.id("a"), unique_key="k"),
        submission(scene7.id("b"), parents=(scene7.id("a"),)),
        submission(scene7.id("c"), parents=(scene7.id("a"), scene7.id("b"))),
    ]
    answers = await scene7.broker.submit(0, tasks)
    assert [(a.status, a.id) for a in answers] == [
        ("exists", scene7.id("stood before")), ("new", scene7.id("b")), ("new", scene7.id("c")),
    ]  # fmt: skip
    assert [a.status for a in await scene7.broker.submit(0, tasks)] == ["exists"] * 3
    for expected in ("stood before", "b", "c"):
        (claim,) = (await scene7.claim()).claims
        assert scene7.named([claim]) == [expected]
        await scene7.settle(outcome(claim))
        await deliver(scene7)


async def test_due_time_and_parents(scene7: Scene) -> None:
    """A child with a time of its own is SCHEDULED for it once its parents have completed."""
    claims = await scene7.running("parent")
    await child_of(scene7, "child", scene7.id("parent"), delay_s=60)
    assert scene7.client().zcard(scene7.key("scheduled")) == 0
    await scene7.settle(outcome(claims["parent"]))
    await deliver(scene7)
    assert await state_of(scene7, "child") == "SCHEDULED"
    assert scene7.client().zcard(scene7.key("scheduled")) == 1


async def test_cancelled_while_it_waits(scene: Scene) -> None:
    """A waiting child can be cancelled; its parent forgets it, and tells it nothing."""
    claims = await scene.running("parent")
    await child_of(scene, "child", scene.id("parent"))
    assert (await scene.broker.cancel([scene.id("child")]))[0].status == "cancelled"
    assert not scene.client().exists(scene.key("waiting:" + scene.id("child")))
    assert not scene.client().exists(scene.key("dependents:" + scene.id("parent")))
    await scene.settle(outcome(claims["parent"]))
    await deliver(scene)
    assert await state_of(scene, "child") == "CANCELLED"


async def test_requeue_of_a_dead_parent(scene7: Scene) -> None:
    """Children that were told stay CANCELLED; those not told yet wait for the new run."""
    claims = await scene7.running("parent")
    await child_of(scene7, "told", scene7.id("parent"))
    await scene7.settle(outcome(claims["parent"], "dead"))
    await deliver(scene7)
    await scene7.broker.requeue([scene7.id("parent")], "op 1")
    await child_of(scene7, "waits", scene7.id("parent"))
    (claim,) = (await scene7.claim()).claims
    await scene7.settle(outcome(claim, "dead"))
    # Before anybody delivers.
    await scene7.broker.requeue([scene7.id("parent")], "op 2")
    await deliver(scene7)
    assert [await state_of(scene7, name) for name in ("told", "waits")] == [
        "CANCELLED",
        "SCHEDULED",
    ]
    (claim,) = (await scene7.claim()).claims
    await scene7.settle(outcome(claim))
    await deliver(scene7)
    assert [await state_of(scene7, name) for name in ("told", "waits")] == ["CANCELLED", "PENDING"]
    # An operator's requeue of a child waits for nobody.
    assert (await scene7.broker.requeue([scene7.id("told")], "op 3"))[0].status == "requeued"
    assert await state_of(scene7, "told") == "PENDING"


@pytest.mark.parametrize("word", ["completed", "dead"])
async def test_across_partitions(server: RedisServer, word: Any) -> None:
    """A child elsewhere is written with a notice; the parent learns of it, and it of the parent's end."""
    async with scene_on(server, partitions=3) as scene:
        claims = await scene.running("parent")
        assert await child_of(scene, "child", scene.id("parent") + "?", partition=1) == "new"
        (notice,) = scene.client(1).zrange(scene.key("outbox", 1), 0, -1)
        assert Notice.parse(notice.decode()).kind == "watch"
        await deliver(scene)
        assert not scene.client(1).exists(scene.key("outbox", 1))
        assert (
            scene.client().zscore(
                scene.key(f"dependents:{scene.id('parent')}"), scene.id("child", 1)
            )
            == 1
        )
        await scene.settle(outcome(claims["parent"], word))
        await deliver(scene)
        state = await state_of(scene, "child", 1)
        assert state == ("PENDING" if word == "completed" else "CANCELLED")


@pytest.mark.parametrize(
    ("how", "state"), [("completed", "PENDING"), ("dead", "CANCELLED"), ("gone", "CANCELLED")]
)
async def test_parent_ends_before_the_watch_arrives(
    redis7: RedisServer, how: Any, state: str
) -> None:
    """A parent that has ended, or is gone, when the child asks answers at once."""
    async with scene_on(redis7, partitions=2) as scene:
        if how == "gone":
            scene.id("parent")
        else:
            claims = await scene.running("parent")
        await child_of(scene, "child", scene.id("parent") + "?", partition=1)
        if how != "gone":
            await scene.settle(outcome(claims["parent"], how))
        await deliver(scene)
        assert await state_of(scene, "child", 1) == state


async def test_tombstone_of_a_parent(redis7: RedisServer) -> None:
    """How a task of a workflow ended is known longer than its hash."""
    async with scene_on(redis7) as scene:
        await scene.submit("parent")
        await child_of(scene, "child", scene.id("parent"))
        (claim,) = (await scene.claim()).claims
        await scene.settle(outcome(claim))
        await deliver(scene)
        scene.client().delete(scene.key("task:parent"))
        scene.client().hincrby(scene.key("counts"), "COMPLETED", -1)
        scene.client().hincrby(scene.key("counts"), "COMPLETED:mail", -1)
        assert await Outboxes(scene.broker).parents([scene.id("parent")]) == {
            scene.id("parent"): "COMPLETED"
        }
        assert await child_of(scene, "late", scene.id("parent")) == "new"
        assert await state_of(scene, "late") == "PENDING"


async def test_delivered_late_and_twice(redis7: RedisServer) -> None:
    """Every step of a delivery may be repeated, late too, and changes nothing more."""
    async with scene_on(redis7, partitions=2) as scene:
        claims = await scene.running("parent")
        await child_of(scene, "child", scene.id("parent") + "?", partition=1)
        outboxes = Outboxes(scene.broker)
        (watch,) = (await outboxes.take(1)).notices
        assert (await outboxes.take(1)).notices == []
        pair = (watch.parent, watch.child)
        assert await outboxes.watch(0, [pair]) == ["watching"]
        await scene.settle(outcome(claims["parent"]))
        (finished,) = (await outboxes.take(0)).notices
        step = await outboxes.dependents(0, finished, 0, ())
        assert (step.status, step.partition, step.ids) == ("slice", 1, (scene.id("child", 1),))
        end = (finished.parent, finished.state, scene.id("child", 1))
        assert await outboxes.resolve(1, [end]) == 1
        before = scene.state(1)
        assert await outboxes.resolve(1, [end]) == 0
        assert scene.changes(before, 1) == {}
        assert (await outboxes.dependents(0, finished, 0, step.ids)).status == "done"
        assert (await outboxes.dependents(0, finished, 0, step.ids)).status == "withdrawn"
        assert await outboxes.watch(0, [pair]) == ["COMPLETED"]
        await outboxes.done(1, [watch])
        await outboxes.done(1, [watch])
        await outboxes.later(1, [watch], 1.0)
        assert (await outboxes.standing())[0] == 0
