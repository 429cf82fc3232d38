"""pause and resume: claims stop, submissions and settles go on, and resume wakes who sleeps."""

from tests.support.builders import ME, OTHER, Scene, outcome
from tests.support.listener import listening


async def test_whole_state(scene: Scene) -> None:
    """A pause is a member of `paused` and nothing else; twice is once."""
    claims = await scene.running("a")
    before = scene.state()
    assert await scene.broker.pause("default") is True
    assert scene.changes(before) == {"paused/default": "member"}
    assert await scene.broker.pause("default") is False
    await scene.submit("b")
    assert await scene.settle(outcome(claims["a"])) == ["ok"]
    assert await scene.broker.resume("default") is True
    assert await scene.broker.resume("default") is False
    assert scene.named((await scene.claim()).claims) == ["b"]


async def test_resume_wakes(scene: Scene) -> None:
    """Resume wakes a sleeper for what waited meanwhile."""
    await scene.broker.pause("default")
    await scene.submit("a")
    await scene.claim(sleep_s=10)
    channel = scene.key(f"signal:{ME}")
    async with listening(scene.broker, 0, channel) as heard:
        await scene.broker.resume("default")
        assert await heard.next() == (channel, "wake default 0")
    assert not [path for path in scene.state() if path.startswith("sleepers")]


async def test_wake_up_of_a_paused_queue(scene: Scene) -> None:
    """What comes into a paused queue may wake somebody, who then takes nothing and sleeps again."""
    await scene.broker.pause("*")
    await scene.claim(sleep_s=10)
    await scene.submit("a")
    claimed = await scene.claim(sleep_s=10)
    assert claimed.claims == []
    assert claimed.wake_ms > 0


async def test_only_what_is_meant(scene: Scene) -> None:
    """A pause of a queue's priority stops that one; the rest of the queue and other queues go on."""
    await scene.broker.pause("default:2")
    await scene.submit("high", priority=2)
    await scene.submit("normal")
    await scene.submit("other", queue="other", priority=2)
    claimed = await scene.claim()
    assert sorted(scene.named(claimed.claims)) == ["normal", "other"]
    assert claimed.depths == (0, 0, 0, 0)
    paused = {(row.queue, row.priority) for row in await scene.broker.queues() if row.paused}
    assert paused == {("default", 2)}
    await scene.broker.resume("default:2")
    assert scene.named((await scene.claim()).claims) == ["high"]


async def test_what_is_handed_back_or_becomes_due_waits_too(scene: Scene) -> None:
    """Into a paused queue tasks come back and are promoted; they are claimed when it is resumed."""
    await scene.running("back", incarnation=OTHER)
    await scene.broker.pause("default")
    await scene.broker.release(0, OTHER, "killed")
    await scene.submit("due", delay_s=60)
    client = scene.client()
    client.zadd(scene.key("scheduled"), {scene.id("due"): scene.now_ms() - 1})
    client.hset(scene.key("task:due"), "due", scene.now_ms() - 1)
    assert (await scene.claim(ignore_counters=True)).claims == []
    assert (await scene.broker.counts_by_state())["PENDING"] == 2
    await scene.broker.resume("default")
    assert scene.named((await scene.claim()).claims) == ["back", "due"]


async def test_resume_tells_of_urgent_work(scene: Scene) -> None:
    """Shards that are busy elsewhere hear of HIGH work in what was resumed."""
    await scene.broker.pause("*")
    await scene.submit("a", priority=2)
    channel = scene.key("urgent")
    async with listening(scene.broker, 0, channel) as heard:
        await scene.broker.resume("*")
        assert await heard.next() == (channel, "2")
