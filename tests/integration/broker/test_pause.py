"""pause and resume: claims stop, submissions and settles go on, and resume wakes who sleeps."""

from tests.support.builders import ME, Scene, outcome
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
