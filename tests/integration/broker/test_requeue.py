"""requeue: an operator's second chance, in every state, and once per operation."""

import asyncio
from typing import Any

import pytest

from shoal.broker.keys import unique_digest
from shoal.model.attempt import count_attempts
from tests.support.builders import Scene, outcome


async def requeue(scene: Scene, *names: str, operation: str = "op-1") -> list[tuple[str, str]]:
    """Requeue tasks; status and former state of each."""
    rows = await scene.broker.requeue([scene.id(name) for name in names], operation)
    return [(row.status, row.state) for row in rows]


async def test_dead(scene: Scene) -> None:
    """A DEAD task is ready again, with a line from which attempts count anew; all indexes lose it."""
    claims = await scene.running("a")
    await scene.settle(outcome(claims["a"], "dead", detail=b"no_luck:print"))
    before = scene.state()
    assert await requeue(scene, "a") == [("requeued", "DEAD")]
    assert scene.changes(before) == {
        "stream:default:1/a.2": "a mail",
        "task:a/entry": "default:1/a.2",
        "task:a/state": None,
        "task:a/ended": None,
        "task:a/reason": None,
        "task:a/fingerprint": None,
        "task:a/history": before["task:a/history"] + "requeued|op-1||MS|0||;",
        "index:DEAD/a": None,
        "index:DEAD:mail/a": None,
        "fingerprint:print/a": None,
        "ready/default:1": "1",
        "counts/DEAD": "0",
        "counts/DEAD:mail": "0",
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "stats/requeued:mail": "1",
        "events/4": "k=requeued o=a mail PENDING op-1",
    }
    assert count_attempts(scene.client().hget(scene.key("task:a"), "history")) == 0


async def test_failed(scene: Scene) -> None:
    """A FAILED task does not wait for its retry any more."""
    await scene.ended("failed", "a")
    assert await requeue(scene, "a") == [("requeued", "FAILED")]
    state = scene.state()
    assert not [path for path in state if path.startswith(("scheduled", "index:"))]
    assert state["counts/PENDING"] == "1"


async def test_cancelled(scene: Scene) -> None:
    """A CANCELLED task is ready again, whether it was cancelled while it waited or ran."""
    await scene.submit("a")
    await scene.broker.cancel([scene.id("a")])
    await scene.ended("cancelled", "b")
    assert await requeue(scene, "a", "b") == [("requeued", "CANCELLED")] * 2
    assert sorted(scene.named((await scene.claim()).claims)) == ["a", "b"]


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        ("completed", ("completed", "COMPLETED")),
        ("deferred", ("active", "SCHEDULED")),
        ("returned", ("active", "PENDING")),
    ],
)
async def test_refused(scene: Scene, make: str, answer: tuple[str, str]) -> None:
    """What completed, waits for its time, or is ready is left as it is."""
    await scene.ended(make, "a")  # type: ignore[arg-type]
    before = scene.state()
    assert await requeue(scene, "a") == [answer]
    assert scene.changes(before) == {}


async def test_running_and_unknown(scene: Scene) -> None:
    """So is what runs; an unknown id is not found."""
    await scene.running("a")
    before = scene.state()
    assert await requeue(scene, "a", "unknown") == [("active", "PENDING"), ("not_found", "")]
    assert scene.changes(before) == {}


async def test_twice_with_the_same_operation(scene: Scene) -> None:
    """A late copy of an operation does nothing, also when the task has died again meanwhile."""
    await scene.ended("dead", "a")
    await requeue(scene, "a")
    before = scene.state()
    assert await requeue(scene, "a") == [("already", "PENDING")]
    assert scene.changes(before) == {}
    (claim,) = (await scene.claim()).claims
    await scene.settle(outcome(claim, "dead"))
    before = scene.state()
    assert await requeue(scene, "a") == [("already", "DEAD")]
    assert scene.changes(before) == {}
    assert await requeue(scene, "a", operation="op-2") == [("requeued", "DEAD")]


async def test_takes_its_unique_key_again(scene: Scene) -> None:
    """A requeued task holds its unique key again, unless another task has it by now."""
    key = f"unique:{unique_digest('k')}"
    await scene.ended("dead", "a", unique_key="k")
    assert key not in scene.state()
    await requeue(scene, "a")
    assert scene.state()[key] == "a"
    (answer,) = await scene.submit("b", unique_key="k")
    assert (answer.id, answer.status) == (scene.id("a"), "exists")
    (claim,) = (await scene.claim()).claims
    await scene.settle(outcome(claim, "dead"))
    await scene.submit("b", unique_key="k")
    await requeue(scene, "a", operation="op-2")
    assert scene.state()[key] == "b"
    # The end of the one that does not hold it leaves it to the other.
    await scene.broker.cancel([scene.id("a")])
    assert scene.state()[key] == "b"


@pytest.mark.parametrize("word", ["dead", "cancelled"])
async def test_unique_key_that_another_task_holds(scene7: Scene, word: Any) -> None:
    """Two tasks never hold a key: the requeue is refused while the other has not ended, and changes nothing."""
    await scene7.ended(word, "a", unique_key="k")
    claims = await scene7.running("b", unique_key="k")
    before = scene7.state()
    assert await requeue(scene7, "a") == [("key_taken", word.upper())]
    assert scene7.changes(before) == {}
    await scene7.settle(outcome(claims["b"], "failed"))
    assert (await requeue(scene7, "a", operation="op-2"))[0][0] == "key_taken"
    await scene7.broker.cancel([scene7.id("b")])
    assert (await requeue(scene7, "a", operation="op-3"))[0][0] == "requeued"
    assert scene7.state()[f"unique:{unique_digest('k')}"] == "a"


async def test_unique_key_raced_by_submissions_and_requeues(scene: Scene) -> None:
    """However many want a unique key at once, one task has it, and the others are told which."""
    for n in range(10):
        await scene.ended("dead", f"old {n}", unique_key=f"k{n}")
        early = [scene.submit(f"early {n} {k}", unique_key=f"k{n}") for k in range(n % 3)]
        late = [scene.submit(f"late {n} {k}", unique_key=f"k{n}") for k in range(4)]
        *before, again = [
            *map(asyncio.ensure_future, early),
            asyncio.ensure_future(requeue(scene, f"old {n}", operation=f"op {n}")),
        ]
        after = [asyncio.ensure_future(one) for one in late]
        answers = [answer for one in (*before, *after) for answer in await one]
        is_requeued = (await again)[0][0] == "requeued"
        assert sum(answer.status == "new" for answer in answers) + is_requeued == 1
        holder = {answer.id for answer in answers}
        assert len(holder) == 1
        assert (holder == {scene.id(f"old {n}")}) == is_requeued
        await scene.broker.cancel(sorted(holder))


async def test_nothing_to_run(scene7: Scene) -> None:
    """A task whose payload was not kept can't run again, and says so."""
    await scene7.ended("dead", "a", retention_s=0)
    assert await requeue(scene7, "a") == [("forgotten", "DEAD")]
