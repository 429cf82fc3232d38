"""cancel: at once what waits, by request what runs, in every state."""

import pytest

from shoal.broker.keys import unique_digest
from tests.support.builders import ME, Scene, outcome
from tests.support.listener import listening

CANCELLED = {
    "task:a/state": "CANCELLED",
    "task:a/ended": "MS",
    "task:a/reason": "not needed",
    "index:CANCELLED/a": "MS",
    "index:CANCELLED:mail/a": "MS",
    "counts/CANCELLED": "1",
    "counts/CANCELLED:mail": "1",
    "stats/cancelled:mail": "1",
}


async def cancel(scene: Scene, *names: str) -> list[tuple[str, str]]:
    """Cancel tasks; status and state of each."""
    rows = await scene.broker.cancel([scene.id(name) for name in names], "not needed")
    return [(row.status, row.state) for row in rows]


async def test_pending(scene: Scene) -> None:
    """A PENDING task is CANCELLED at once, and its entry goes."""
    await scene.submit("a", unique_key="k")
    before = scene.state()
    assert await cancel(scene, "a") == [("cancelled", "CANCELLED")]
    assert scene.changes(before) == {
        **CANCELLED,
        "stream:default:1/a.1": None,
        f"unique:{unique_digest('k')}": None,
        "ready/default:1": None,
        "counts/PENDING": "0",
        "counts/PENDING:mail": "0",
        "events/2": "k=cancelled o=a mail CANCELLED not needed",
    }


async def test_handed_back(scene: Scene) -> None:
    """A task that was handed back is CANCELLED at once too, and both counters lose one."""
    claims = await scene.running("a")
    await scene.settle(outcome(claims["a"], "returned"))
    before = scene.state()
    assert await cancel(scene, "a") == [("cancelled", "CANCELLED")]
    assert scene.changes(before) == {
        **CANCELLED,
        "stream:default:1/a.1": None,
        "stream:default:1>returned": "0 pending",
        "ready/default:1": None,
        "ready/default:1:returned": None,
        "counts/PENDING": "0",
        "counts/PENDING:mail": "0",
        "events/4": "k=cancelled o=a mail CANCELLED not needed",
    }


async def test_scheduled(scene: Scene) -> None:
    """A SCHEDULED task leaves the schedule."""
    await scene.submit("a", delay_s=60)
    before = scene.state()
    assert await cancel(scene, "a") == [("cancelled", "CANCELLED")]
    assert scene.changes(before) == {
        **CANCELLED,
        "task:a/due": None,
        "scheduled/a": None,
        "index:SCHEDULED/a": None,
        "index:SCHEDULED:mail/a": None,
        "counts/SCHEDULED": "0",
        "counts/SCHEDULED:mail": "0",
        "events/2": "k=cancelled o=a mail CANCELLED not needed",
    }


async def test_failed(scene: Scene) -> None:
    """A FAILED task does not get its retry; its error stays."""
    await scene.ended("failed", "a")
    before = scene.state()
    assert await cancel(scene, "a") == [("cancelled", "CANCELLED")]
    assert scene.changes(before) == {
        **CANCELLED,
        "task:a/due": None,
        "scheduled/a": None,
        "index:FAILED/a": None,
        "index:FAILED:mail/a": None,
        "counts/FAILED": "0",
        "counts/FAILED:mail": "0",
        "events/4": "k=cancelled o=a mail CANCELLED not needed",
    }


async def test_running(scene: Scene) -> None:
    """A RUNNING task is asked to stop, and its holder is told on its channel; a repeat asks again."""
    await scene.running("a")
    before = scene.state()
    channel = scene.key(f"signal:{ME}")
    async with listening(scene.broker, 0, channel) as heard:
        assert await cancel(scene, "a") == [("requested", "RUNNING")]
        assert await heard.next() == (channel, f"cancel {scene.id('a')}")
        assert scene.changes(before) == {"task:a/cancel": "not needed"}
        assert await cancel(scene, "a") == [("requested", "RUNNING")]


@pytest.mark.parametrize("word", ["completed", "dead", "cancelled"])
async def test_terminal(scene: Scene, word: str) -> None:
    """A task that has ended stays as it ended."""
    await scene.ended(word, "a")  # type: ignore[arg-type]
    before = scene.state()
    assert await cancel(scene, "a") == [
        ("terminal", {"completed": "COMPLETED", "dead": "DEAD", "cancelled": "CANCELLED"}[word])
    ]
    assert scene.changes(before) == {}


async def test_mixed(scene: Scene) -> None:
    """A batch answers in order, also for ids that nobody knows, and is one event."""
    await scene.submit("c")
    await scene.submit("b", delay_s=60)
    assert await cancel(scene, "unknown", "b", "c", "b") == [
        ("not_found", ""),
        ("cancelled", "CANCELLED"),
        ("cancelled", "CANCELLED"),
        ("cancelled", "CANCELLED"),
    ]
    assert scene.state()["events/3"] == (
        "k=cancelled o=b mail CANCELLED not needed;c mail CANCELLED not needed"
    )


async def test_whose_ready_count_was_lost(scene: Scene) -> None:
    """The cancel of a task whose `ready` increment was lost does not make a negative counter."""
    await scene.submit("a")
    scene.client().delete(scene.key("ready"))
    await cancel(scene, "a")
    assert "ready/default:1" not in scene.state()
