"""submit: what is accepted, what is known already, and what is refused."""

from typing import Any

import pytest

from shoal.broker.keys import unique_digest
from shoal.errors import MemoryFull
from tests.integration.broker.conftest import scene_on
from tests.support.builders import SPEC, Scene, outcome, submission
from tests.support.servers import RedisServer

FIRST_USE = {
    f"stream:default:{priority}{isolated}": "group shoal"
    for priority in range(4)
    for isolated in ("", ":isolated")
}
"""The first task of a queue makes the streams of all its priorities with their groups."""


async def test_first_task(scene: Scene) -> None:
    """A task that is due now is an entry and a hash that names it; the first of a queue makes its groups."""
    before = scene.state()
    (answer,) = await scene.submit("a")
    assert answer.status == "new"
    assert answer.id == scene.id("a")
    assert scene.changes(before) == {
        **FIRST_USE,
        "stream:default:1/a.1": "a mail",
        "task:a/spec": SPEC.decode().replace("\n", ";"),
        "task:a/type": "mail",
        "task:a/entry": "default:1/a.1",
        "queues/default": "member",
        "ready/default:1": "1",
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "stats/types": "1",
        "stats/submitted:mail": "1",
        "stats/submitted/default:1": "1",
        "events/1": "k=submitted i=a y=mail s=default:1",
    }


async def test_batch_of_many_kinds(scene: Scene) -> None:
    """A batch moves each counter once by what it brought, and is one event."""
    await scene.submit("first")
    before = scene.state()
    await scene.broker.submit(
        0,
        [
            submission(scene.id("a")),
            submission(scene.id("b"), "report", priority=3),
            submission(scene.id("c"), delay_s=60),
            submission(scene.id("d"), "report", priority=3),
        ],
    )
    assert scene.changes(before) == {
        "stream:default:1/a.1": "a mail",
        "stream:default:3/b.1": "b report",
        "stream:default:3/d.1": "d report",
        **task("a", entry="default:1/a.1"),
        **task("b", "report", entry="default:3/b.1"),
        **task("c", entry="default:1", state="SCHEDULED", due="MS"),
        **task("d", "report", entry="default:3/d.1"),
        "scheduled/c": "MS",
        "index:SCHEDULED/c": "MS",
        "index:SCHEDULED:mail/c": "MS",
        "ready/default:1": "2",
        "ready/default:3": "2",
        "counts/PENDING": "4",
        "counts/PENDING:mail": "2",
        "counts/PENDING:report": "2",
        "counts/SCHEDULED": "1",
        "counts/SCHEDULED:mail": "1",
        "stats/types": "2",
        "stats/submitted:mail": "3",
        "stats/submitted:report": "2",
        "stats/submitted/default:1": "3",
        "stats/submitted/default:3": "2",
        "events/2": "k=submitted i=a,b,c,d y=mail report mail report "
        "s=default:1 default:3 default:1 default:3 d=3",
    }


async def test_due_times(scene: Scene) -> None:
    """A delay counts from Redis' clock, a due time is absolute, and one that has passed means now."""
    seconds, micros = scene.client().time()
    now = seconds * 1000 + micros // 1000
    await scene.submit("delayed", delay_s=60)
    await scene.submit("absolute", due_s=now / 1000 + 120)
    await scene.submit("past", due_s=now / 1000 - 1)
    due = dict(scene.client().zrange(scene.key("scheduled"), 0, -1, withscores=True))
    assert due.keys() == {scene.id(name).encode() for name in ("delayed", "absolute")}
    assert now + 60_000 <= due[scene.id("delayed").encode()] < now + 65_000
    assert due[scene.id("absolute").encode()] == now + 120_000
    assert "stream:default:1/past.1" in scene.state()


async def test_known_id(scene: Scene) -> None:
    """A task whose hash stands answers exists and changes nothing, in another call or the same, in any state."""
    await scene.ended("completed", "ended")
    await scene.submit("a", "a")
    await scene.submit("later", delay_s=60)
    before = scene.state()
    answers = await scene.submit("a", "later", "ended", "a")
    assert [answer.status for answer in answers] == ["exists"] * 4
    assert [answer.id for answer in answers] == [scene.id(n) for n in ("a", "later", "ended", "a")]
    assert scene.changes(before) == {}
    assert scene.client().xlen(scene.key("stream:default:1")) == 1


async def test_unique_key(scene: Scene) -> None:
    """A second task with a unique key answers with the first one's id; the key names its holder."""
    await scene.submit("a", unique_key="order 1")
    before = scene.state()
    (answer,) = await scene.submit("b", unique_key="order 1")
    assert (answer.id, answer.status) == (scene.id("a"), "exists")
    assert scene.changes(before) == {}
    assert before[f"unique:{unique_digest('order 1')}"] == "a"
    assert before["task:a/unique"] == unique_digest("order 1")


@pytest.mark.parametrize("word", ["completed", "dead", "cancelled"])
async def test_unique_key_is_freed_at_the_end(scene7: Scene, word: Any) -> None:
    """A unique key is free again when its task is terminal."""
    await scene7.ended(word, "a", unique_key="order 1")
    (answer,) = await scene7.submit("b", unique_key="order 1")
    assert answer.status == "new"


async def test_unique_key_is_held_through_failed(scene7: Scene) -> None:
    """A unique key is held while a retry waits, and by the retry."""
    await scene7.ended("failed", "a", unique_key="order 1")
    (answer,) = await scene7.submit("b", unique_key="order 1")
    assert (answer.id, answer.status) == (scene7.id("a"), "exists")


async def test_unique_key_of_a_holder_that_is_gone(scene7: Scene) -> None:
    """A key whose holder has no hash any more is taken over."""
    scene7.client().set(scene7.key(f"unique:{unique_digest('k')}"), scene7.id("gone"))
    (answer,) = await scene7.submit("b", unique_key="k")
    assert answer.status == "new"
    assert scene7.state()[f"unique:{unique_digest('k')}"] == "b"


async def test_full_queue(redis7: RedisServer) -> None:
    """A queue and priority at its limit refuses the rest of a batch; another priority does not."""
    async with scene_on(redis7, limit__max_queue_size=2) as scene:
        answers = await scene.submit("a", "b", "c")
        assert [answer.status for answer in answers] == ["new", "new", "queue_full"]
        before = scene.state()
        assert [answer.status for answer in await scene.submit("d")] == ["queue_full"]
        assert scene.changes(before) == {}
        assert [answer.status for answer in await scene.submit("d", priority=2)] == ["new"]
        assert scene.named((await scene.claim(want=2)).claims) == ["d", "a"]
        assert [answer.status for answer in await scene.submit("e", "f")] == ["new", "queue_full"]


async def test_full_schedule(redis7: RedisServer) -> None:
    """A schedule at its limit refuses what is due later, not what is due now."""
    async with scene_on(redis7, limit__max_scheduled=1) as scene:
        answers = await scene.submit("a", "b", delay_s=60)
        assert [answer.status for answer in answers] == ["new", "queue_full"]
        assert [answer.status for answer in await scene.submit("c")] == ["new"]


async def test_too_many_types_and_queues(redis7: RedisServer) -> None:
    """New types and queues beyond their limits are refused, and leave nothing behind; known ones go on."""
    async with scene_on(redis7, limit__max_types=1, limit__max_queues=1) as scene:
        await scene.submit("a")
        before = scene.state()
        answers = [
            *await scene.submit("b", type="report"),
            *await scene.submit("c", queue="other"),
            *await scene.submit("d", type="report", delay_s=60),
        ]
        assert [answer.status for answer in answers] == [
            "too_many_types", "too_many_queues", "too_many_types",
        ]  # fmt: skip
        assert scene.changes(before) == {}
        assert [answer.status for answer in await scene.submit("e")] == ["new"]


async def test_full_memory(scene: Scene) -> None:
    """A server without memory refuses tasks before anything is written, and everything else goes on."""
    await scene.submit("a", "b", "c")
    before = scene.state()
    scene.client().config_set("maxmemory", 1)
    with pytest.raises(MemoryFull):
        await scene.submit("d")
    assert scene.changes(before) == {}
    claimed = await scene.claim(want=2)
    assert scene.named(claimed.claims) == ["a", "b"]
    assert await scene.settle(outcome(claimed.claims[0])) == ["ok"]
    assert (await scene.broker.release(0, "w-0.aaaaaa", "drained")).released == 1
    assert (await scene.broker.cancel([scene.id("c")]))[0].status == "cancelled"


def task(name: str, type: str = "mail", **fields: str) -> dict[str, str]:
    """The fields of a submitted task in a snapshot."""
    fields = {"spec": SPEC.decode().replace("\n", ";"), "type": type, **fields}
    return {f"task:{name}/{field}": value for field, value in fields.items()}
