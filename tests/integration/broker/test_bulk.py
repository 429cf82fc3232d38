"""Moves of many tasks: steps that are done once, and that anybody may go on with."""

import asyncio
from typing import Any

import pytest

from shoal.broker import operator_calls
from shoal.broker.bulk import BulkOperation
from shoal.broker.operator_results import BulkAnswer
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from shoal.errors import InvalidOperation
from shoal.model.selection import BulkVerb, Selection
from shoal.model.transitions import State
from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene, outcome
from tests.support.servers import RedisServer


def bulk(scene: Scene, verb: str, operation: str = "op-1", **selection: Any) -> BulkOperation:
    """An operation with this selection."""
    meant = Selection(**selection)
    return BulkOperation(scene.broker, BulkVerb(verb), operation, meant)


async def step(scene: Scene, number: int, operation: str = "op-1") -> BulkAnswer:
    """One step of a requeue of all that is DEAD."""
    meant = Selection(states=(State.DEAD,))
    digest = meant.digest(BulkVerb.REQUEUE, "")
    call = operator_calls.bulk(
        0, BulkVerb.REQUEUE, operation, "DEAD", number, meant, "", digest=digest
    )
    return await scene.broker.run(call)


async def test_requeue_of_all_dead(scene: Scene) -> None:
    """All DEAD tasks are ready again, with the operation in their histories; its record says what was done."""
    await scene.ended("dead", "a", "b")
    await scene.ended("failed", "c")
    assert await bulk(scene, "requeue", states=(State.DEAD,)).run() == {"requeued": 2}
    state = scene.state()
    assert state["counts/PENDING"] == "2"
    assert state["counts/FAILED"] == "1"
    assert "requeued|op-1|" in state["task:a/history"]
    assert state["operation:op-1:DEAD"].endswith(" 1 1 MS / requeued=2 (expires)")


async def test_a_late_copy_does_nothing(scene: Scene) -> None:
    """A step that was done, and an operation that is over, change nothing when they come again."""
    await scene.ended("dead", "a")
    assert (await step(scene, 1)).numbers == {"requeued": 1}
    (claim,) = (await scene.claim()).claims
    await scene.settle(outcome(claim, "dead"))
    before = scene.state()
    assert await step(scene, 1) == ("ok", 1, True, {"requeued": 1})
    assert await step(scene, 2) == ("ok", 1, True, {"requeued": 1})
    assert await bulk(scene, "requeue", states=(State.DEAD,)).run() == {"requeued": 1}
    assert scene.changes(before) == {}
    assert await bulk(scene, "requeue", "op-2", states=(State.DEAD,)).run() == {"requeued": 1}


async def test_goes_on_where_it_stood(scene7: Scene) -> None:
    """Run again with its id, an operation that was cut off does the rest, each task once."""
    scene = scene7
    names = [f"t {n}" for n in range(300)]
    for at in range(0, 300, 100):
        await scene.ended("dead", *names[at : at + 100])
    assert await step(scene, 1) == ("ok", 1, False, {"requeued": 256})
    assert await step(scene, 3) == ("ok", 1, False, {"requeued": 256})  # not the next one
    assert await bulk(scene, "requeue", states=(State.DEAD,)).run() == {"requeued": 300}
    assert (await scene.broker.counts_by_state())["PENDING"] == 300
    stats = await scene.broker.stats()
    assert stats["requeued:mail"] == 300


async def test_two_operators_at_once(scene7: Scene) -> None:
    """Two that run the same operation at the same time do each step once between them."""
    scene = scene7
    for at in range(0, 600, 100):
        await scene.ended("dead", *(f"t {n}" for n in range(at, at + 100)))
    both = [bulk(scene, "requeue", states=(State.DEAD,)) for _ in range(2)]
    assert [await one for one in asyncio.as_completed([b.run() for b in both])] == [
        {"requeued": 600}
    ] * 2
    assert (await scene.broker.stats())["requeued:mail"] == 600


async def test_an_id_stands_for_one_operation(scene: Scene) -> None:
    """The same id with another selection, verb or reason is refused, and does nothing."""
    await scene.ended("dead", "a")
    await bulk(scene, "requeue", states=(State.DEAD,)).run()
    await scene.ended("dead", "b", type="report", priority=3)
    before = scene.state()
    with pytest.raises(InvalidOperation, match="stands for another"):
        await bulk(scene, "requeue", states=(State.DEAD,), type="report").run()
    assert scene.changes(before) == {}


async def test_what_dies_again_meanwhile_is_not_met_twice(scene: Scene) -> None:
    """A task that came into the state after the operation began is not meant."""
    await scene.ended("dead", "a")
    # The operation has begun and stands behind nothing.
    client, key = scene.client(), scene.key("operation:op-1:DEAD")
    digest = Selection(states=(State.DEAD,)).digest(BulkVerb.REQUEUE, "")
    client.set(key, f"{digest} 1 0 {scene.now_ms() - 60_000} /0/x", ex=60)
    assert await bulk(scene, "requeue", states=(State.DEAD,)).run() == {}


@pytest.mark.parametrize(
    ("meant", "names"),
    [
        ({"type": "report"}, ["r"]),
        ({"fingerprint": "p1"}, ["a", "r"]),
        ({"fingerprint": "p1", "type": "mail"}, ["a"]),
        ({"queue": "other"}, ["o"]),
        ({"until_ms": 1_700_000_000_000}, []),
        ({"since_ms": 1_700_000_000_000}, ["a", "b", "o", "r"]),
    ],
)
async def test_filters(scene7: Scene, meant: dict[str, Any], names: list[str]) -> None:
    """All conditions of a filter must hold."""
    scene = scene7
    for name, task_type, queue, detail in (
        ("a", "mail", "default", b"exhausted:p1"),
        ("b", "mail", "default", b"exhausted:p2"),
        ("r", "report", "default", b"exhausted:p1"),
        ("o", "mail", "other", b"timeout"),
    ):
        (claim,) = (await scene.running(name, type=task_type, queue=queue)).values()
        await scene.settle(outcome(claim, "dead", detail=detail))
    await bulk(scene, "requeue", states=(State.DEAD,), **meant).run()
    assert sorted(scene.named((await scene.claim()).claims)) == names


async def test_cancel_of_what_waits(scene: Scene) -> None:
    """PENDING (handed back too), SCHEDULED and FAILED tasks are cancelled; what runs is not meant by these."""
    claims = await scene.running("runs", "failed", "back")
    await scene.settle(outcome(claims["failed"], "failed"), outcome(claims["back"], "returned"))
    await scene.submit("waits")
    await scene.submit("later", delay_s=60)
    states = (State.PENDING, State.SCHEDULED, State.FAILED)
    assert await bulk(scene, "cancel", states=states).run() == {"cancelled": 4}
    assert (await scene.broker.counts_by_state())["RUNNING"] == 1
    assert await bulk(scene, "cancel", "op-2", states=(State.RUNNING,)).run() == {"requested": 1}
    assert scene.state()["task:runs/cancel"] == "requested"


async def test_a_late_copy_of_a_cancel(scene: Scene) -> None:
    """A task that was requeued since is not cancelled again by a copy of the operation that did it."""
    await scene.submit("a")
    cancel = bulk(scene, "cancel", ids=(scene.id("a"),))
    assert await cancel.run() == {"cancelled": 1}
    await scene.broker.requeue([scene.id("a")], "op-2")
    assert await bulk(scene, "cancel", ids=(scene.id("a"),)).run() == {"cancelled": 1}
    assert (await scene.broker.counts_by_state())["PENDING"] == 1


async def test_cancel_in_many_streams(scene7: Scene) -> None:
    """The cursor goes from stream to stream, whatever is in each."""
    scene = scene7
    for queue in ("a", "b"):
        for priority in (0, 3):
            await scene.submit(
                *(f"{queue} {priority} {n}" for n in range(130)), queue=queue, priority=priority
            )
    meant: dict[str, Any] = {"states": (State.PENDING,)}
    assert await bulk(scene, "cancel", **meant, queue="b").run() == {"cancelled": 260}
    assert await bulk(scene, "cancel", "op-2", **meant).run() == {"cancelled": 260}


async def test_delete_by_filter(scene: Scene) -> None:
    """Ended tasks are deleted, COMPLETED ones by the journal; what ended just now is counted as recent."""
    await scene.ended("completed", "a", "b")
    await scene.ended("completed", "r", type="report")
    await scene.ended("dead", "d")
    states = (State.COMPLETED, State.DEAD)
    assert await bulk(scene, "delete", states=states).run() == {"deleted": 3, "recent": 1}
    assert await bulk(scene, "delete", "op-2", states=(State.COMPLETED,), type="mail").run() == {}


async def test_delete_through_a_long_journal(scene7: Scene) -> None:
    """Whole entries a step, however many tasks have completed."""
    scene = scene7
    for at in range(0, 500, 100):
        await scene.ended("completed", *(f"t {n}" for n in range(at, at + 100)))
    operation = bulk(scene, "delete", states=(State.COMPLETED,))
    assert await operation.run() == {"deleted": 500}
    assert (await scene.broker.counts_by_state())["COMPLETED"] == 0


async def test_by_ids_in_many_partitions(redis7: RedisServer) -> None:
    """Ids go to their partitions in steps; those that nobody knows are counted, wherever they belong."""
    async with scene_on(redis7, partitions=3) as scene:
        ids = []
        for partition in range(3):
            names = [f"{partition} {n}" for n in range(100)]
            await scene.submit(*names, partition=partition)
            ids += [scene.id(name, partition) for name in names]
        foreign = scene.id("foreign", 77)
        unknown = scene.id("unknown", 1)
        operation = bulk(scene, "cancel", ids=(*ids, *ids, foreign, unknown.upper()))
        assert await operation.run() == {"cancelled": 300, "not_found": 2}


async def test_more_ids_than_a_step(scene7: Scene) -> None:
    """Each id once, in as many steps as they need."""
    scene = scene7
    names = [f"t {n}" for n in range(513)]
    for at in range(0, 513, 200):
        await scene.submit(*names[at : at + 200])
    ids = tuple(scene.id(name) for name in names)
    assert await bulk(scene, "cancel", ids=ids).run() == {"cancelled": 513}
    assert scene.state()["operation:op-1:ids"].split()[1:3] == ["3", "1"]


@pytest.mark.parametrize(
    "broken",
    [
        "nonsense",
        "0123456789abcdef0123456789abcdef 1 0 5 /",
        "0123456789abcdef0123456789abcdef 1 1 5 /x",
    ],
)
async def test_verify_finds_a_record_that_cannot_be_gone_on_with(
    scene7: Scene, broken: str
) -> None:
    """A record of another form, or whose cursor does not fit what is left, is a finding."""
    scene7.leaves_faults = True
    scene7.client().set(scene7.key("operation:op-1:DEAD"), broken, ex=60)
    report = await verify(scene7.broker)
    assert [finding.code for finding in report.findings] == [Code.BAD_OPERATION]


async def test_verify_finds_a_record_without_end(scene7: Scene) -> None:
    """A record that would stand for ever is a finding."""
    scene7.leaves_faults = True
    await scene7.ended("dead", "a")
    await bulk(scene7, "requeue", states=(State.DEAD,)).run()
    scene7.client().persist(scene7.key("operation:op-1:DEAD"))
    report = await verify(scene7.broker)
    assert [finding.code for finding in report.findings] == [Code.UNBOUNDED_KEY]
