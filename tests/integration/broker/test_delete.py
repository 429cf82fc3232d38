"""delete: an ended task is forgotten; nothing else is."""

import pytest

from shoal.model.attempt import line_tail
from tests.support.builders import Scene, outcome

#: A run that ended long before the tombstone's time.
LONG_AGO = line_tail(1_700_000_000_000, 500, "completed", "")


async def delete(scene: Scene, *names: str) -> list[tuple[str, str]]:
    """Delete tasks; status and former state of each."""
    rows = await scene.broker.delete([scene.id(name) for name in names])
    return [(row.status, row.state) for row in rows]


def age(scene: Scene, name: str) -> None:
    """Let a task look as if it had ended long ago."""
    scene.client().hset(scene.key(f"task:{name}"), "ended", scene.now_ms() - 60_000)


async def test_dead(scene: Scene) -> None:
    """A DEAD task leaves its hash, all its indexes and the counters."""
    claims = await scene.running("a")
    await scene.settle(outcome(claims["a"], "dead", detail=b"no_luck:print"))
    age(scene, "a")
    before = scene.state()
    assert await delete(scene, "a") == [("deleted", "DEAD")]
    changed = scene.changes(before)
    assert {path for path, value in changed.items() if value is None} == {
        *(path for path in before if path.startswith("task:a/")),
        "index:DEAD/a",
        "index:DEAD:mail/a",
        "fingerprint:print/a",
    }
    assert {path: value for path, value in changed.items() if value is not None} == {
        "counts/DEAD": "0",
        "counts/DEAD:mail": "0",
        "events/4": "k=deleted o=a mail deleted DEAD",
    }
    assert await delete(scene, "a") == [("not_found", "")]


async def test_completed(scene: Scene) -> None:
    """A COMPLETED task's id stays in the journal, where readers and `prune` pass over it."""
    await scene.ended("completed", "a", "b")
    assert await delete(scene, "a") == [("deleted", "COMPLETED")]
    assert scene.state()["done/1"] == "i=a,b y=mail*2"
    assert (await scene.broker.counts_by_state())["COMPLETED"] == 1


async def test_cancelled(scene: Scene) -> None:
    """So is a CANCELLED one."""
    await scene.submit("a")
    await scene.broker.cancel([scene.id("a")])
    age(scene, "a")
    assert await delete(scene, "a") == [("deleted", "CANCELLED")]
    assert not [path for path in scene.state() if path.startswith(("task:", "index:"))]


async def test_what_ended_just_now_stays(scene: Scene) -> None:
    """Within the tombstone's time an ended task is kept, so that a late copy of it is known."""
    claims = await scene.running("a", "b")
    await scene.settle(outcome(claims["a"], "dead"))
    now = scene.now_ms()
    tail = line_tail(now, 500, "completed", "")
    await scene.settle(outcome(claims["b"])._replace(tail=tail))
    before = scene.state()
    assert await delete(scene, "a", "b") == [("recent", "DEAD"), ("recent", "COMPLETED")]
    assert scene.changes(before) == {}


@pytest.mark.parametrize(
    ("word", "state"), [("failed", "FAILED"), ("deferred", "SCHEDULED"), ("returned", "PENDING")]
)
async def test_what_has_not_ended_stays(scene: Scene, word: str, state: str) -> None:
    """A task that waits or will be retried is not deleted."""
    await scene.ended(word, "a")  # type: ignore[arg-type]
    before = scene.state()
    assert await delete(scene, "a") == [("active", state)]
    assert scene.changes(before) == {}


async def test_running(scene: Scene) -> None:
    """Neither is one that runs; an unknown id is not found."""
    await scene.running("a")
    before = scene.state()
    assert await delete(scene, "a", "unknown") == [("active", "PENDING"), ("not_found", "")]
    assert scene.changes(before) == {}


async def test_a_retention_of_its_own(scene: Scene) -> None:
    """A task that had one leaves nothing behind to be pruned."""
    await scene.submit("a", retention_s=600)
    await scene.broker.cancel([scene.id("a")])
    age(scene, "a")
    assert "expiring/a" in scene.state()
    assert await delete(scene, "a") == [("deleted", "CANCELLED")]
    assert "expiring/a" not in scene.state()
