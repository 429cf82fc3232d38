"""release: all that an incarnation had goes back before the backlog; late or twice, it harms nobody."""

import pytest

from shoal.broker.sync_broker import SyncBroker
from tests.support.builders import ME, OTHER, Scene, outcome, settings_for, submission
from tests.support.servers import RedisServer


@pytest.mark.parametrize(
    ("reason", "counts"), [("killed", True), ("lost", True), ("drained", False), ("retired", False)]
)
async def test_whole_state(scene: Scene, reason: str, counts: bool) -> None:
    """Entries move to `returned` with their count; killed and lost count as recoveries; the name leaves."""
    claims = await scene.running("a", "b")
    await scene.renew(claims["a"])
    before = scene.state()
    assert await scene.broker.release(0, ME, reason) == (2, True, 0)
    recovered = {"task:a/recoveries": "1", "task:b/recoveries": "1"} if counts else {}
    assert scene.changes(before) == {
        "stream:default:1/a.1": "a mail @ returned x1",
        "stream:default:1/b.1": "b mail @ returned x1",
        f"stream:default:1>{ME}": None,
        "stream:default:1>returned": "2 pending",
        "task:a/history": f"interrupted|default:1/a.1/1|{ME}|MS|0|{reason}|;",
        "task:b/history": f"interrupted|default:1/b.1/1|{ME}|MS|0|{reason}|;",
        **recovered,
        "ready/default:1": "2",
        "ready/default:1:returned": "2",
        "counts/PENDING": "2",
        "counts/PENDING:mail": "2",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "stats/interrupted:mail": "2",
        f"claimed:{ME}": "dead (expires)",
        f"beats/{ME}": None,
        "events/3": f"k=interrupted w={ME} o=a mail returned {reason};b mail returned {reason}",
    }


async def test_twice(scene: Scene) -> None:
    """A repeated release finds nothing and changes nothing."""
    await scene.running("a")
    await scene.broker.release(0, ME, "killed")
    before = scene.state()
    assert await scene.broker.release(0, ME, "killed") == (0, True, 0)
    assert scene.changes(before) == {}


async def test_late(scene: Scene) -> None:
    """A release that comes late does not free what another has claimed meanwhile."""
    await scene.running("a")
    await scene.broker.release(0, ME, "killed")
    (claim,) = (await scene.claim(OTHER)).claims
    before = scene.state()
    assert await scene.broker.release(0, ME, "killed") == (0, True, 0)
    assert scene.changes(before) == {}
    assert await scene.settle(outcome(claim), incarnation=OTHER) == ["ok"]


async def test_successor_of_the_same_name(scene: Scene) -> None:
    """A late release of a worker's former life does not touch its new one: their nonces differ."""
    before_restart, after = "web-0.aaaaaa", "web-0.bbbbbb"
    await scene.running("a", incarnation=before_restart)
    await scene.broker.release(0, before_restart, "killed")
    (claim,) = (await scene.claim(after)).claims
    await scene.broker.release(0, before_restart, "killed")
    assert await scene.settle(outcome(claim), incarnation=before_restart) == ["stale"]
    assert await scene.settle(outcome(claim), incarnation=after) == ["ok"]


async def test_slices(scene7: Scene) -> None:
    """At most 256 tasks go back in a call; it says whether something is left."""
    for part in range(3):
        await scene7.broker.submit(0, [submission(scene7.id(f"{part}-{n}")) for n in range(100)])
    await scene7.claim(want=256)
    await scene7.claim(want=44)
    assert await scene7.broker.release(0, ME, "lost") == (256, False, 0)
    assert await scene7.broker.release(0, ME, "lost") == (44, True, 0)


async def test_hash_gone_or_elsewhere(scene: Scene) -> None:
    """What has no hash any more, or stands elsewhere, is dropped instead of handed back."""
    await scene.running("gone", "a")
    scene.client().delete(scene.key("task:gone"))
    assert await scene.broker.release(0, ME, "lost") == (1, True, 0)
    state = scene.state()
    assert "stream:default:1/gone.1" not in state
    assert (state["counts/PENDING"], state["counts/RUNNING"]) == ("1", "0")


async def test_all_queues_and_priorities(scene7: Scene) -> None:
    """A release finds what stands in any queue and priority."""
    for number, queue in enumerate(("one", "two", "three", "four")):
        await scene7.submit(queue, queue=queue, priority=number)
    await scene7.claim()
    assert await scene7.broker.release(0, ME, "lost") == (4, True, 0)


async def test_all_partitions(redis7: RedisServer) -> None:
    """The blocking form hands back in all partitions, however many slices that takes, and may be repeated."""
    from tests.integration.broker.conftest import scene_on

    async with scene_on(redis7, partitions=4) as scene:
        for partition in range(4):
            names = [f"p{partition}-{n}" for n in range(150)]
            await scene.submit(*names, partition=partition)
            await scene.submit(*(f"{name}x" for name in names), partition=partition)
            await scene.claim(want=256, partition=partition)
            await scene.claim(want=44, partition=partition)
        sync = SyncBroker(settings_for(redis7.url, partitions=4))
        try:
            assert sync.release(ME, "killed") == (1200, 0)
            assert sync.release(ME, "killed") == (0, 0)
        finally:
            sync.close()
