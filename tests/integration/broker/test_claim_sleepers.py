"""claim: who stands as a sleeper, until when, and where."""

from tests.support.builders import ME, OTHER, Scene


async def test_stands_until_its_time(scene: Scene) -> None:
    """Who gets less than asked and may sleep stands in the sleepers until now + sleep."""
    claimed = await scene.claim(sleep_s=10)
    assert claimed.wake_ms == claimed.now_ms + 10_000
    assert _sleepers(scene, "*") == {ME: claimed.wake_ms}


async def test_no_sleeper_with_enough(scene: Scene) -> None:
    """Who gets what it asked for, or does not sleep, is removed from the sleepers."""
    await scene.claim(sleep_s=10)
    await scene.submit("a")
    claimed = await scene.claim(want=1, sleep_s=10)
    assert claimed.wake_ms == 0
    assert _sleepers(scene, "*") == {}
    await scene.claim(sleep_s=10)
    assert (await scene.claim(sleep_s=0)).wake_ms == 0
    assert _sleepers(scene, "*") == {}


async def test_wants_nothing_and_sleeps(scene: Scene) -> None:
    """A claim of nothing may stand as a sleeper, although tasks are ready."""
    await scene.submit("a")
    claimed = await scene.claim(want=0, sleep_s=10)
    assert claimed.claims == []
    assert claimed.depths == (0, 1, 0, 0)
    assert _sleepers(scene, "*") == {ME: claimed.wake_ms}


async def test_wakes_for_the_next_due_time(scene: Scene) -> None:
    """A sleeper wakes at the next due time when that comes first, unless another wakes before it."""
    await scene.submit("a", delay_s=5)
    due = int(scene.client().zrange(scene.key("scheduled"), 0, 0, withscores=True)[0][1])
    first = await scene.claim(ME, sleep_s=10)
    assert first.wake_ms == due
    second = await scene.claim(OTHER, sleep_s=10)
    assert second.wake_ms == second.now_ms + 10_000
    assert _sleepers(scene, "*") == {ME: due, OTHER: second.wake_ms}


async def test_sleeps_less_than_the_due_time(scene: Scene) -> None:
    """A due time beyond its sleep does not concern a sleeper."""
    await scene.submit("a", delay_s=60)
    claimed = await scene.claim(sleep_s=10)
    assert claimed.wake_ms == claimed.now_ms + 10_000


async def test_sleeps_in_its_queues(scene: Scene) -> None:
    """A worker of some queues stands in each of theirs and not among those of all; an isolation shard apart."""
    await scene.submit("a", queue="one")
    await scene.submit("b", queue="two")
    await scene.claim(ME, want=0, sleep_s=10, queues=("one", "two"))
    await scene.claim(OTHER, want=0, sleep_s=10, isolated=True)
    assert _sleepers(scene, "*") == {}
    assert _sleepers(scene, "one").keys() == _sleepers(scene, "two").keys() == {ME}
    assert _sleepers(scene, "*:isolated").keys() == {OTHER}
    await scene.claim(ME, want=2, queues=("one", "two"))
    assert _sleepers(scene, "one") == _sleepers(scene, "two") == {}


async def test_release_ends_sleep(scene: Scene) -> None:
    """A released incarnation stands nowhere any more."""
    await scene.submit("a", queue="one")
    await scene.claim(ME, want=0, sleep_s=10, queues=("one",))
    await scene.claim(OTHER, want=0, sleep_s=10)
    await scene.broker.release(0, ME, "drained")
    await scene.broker.release(0, OTHER, "drained")
    assert _sleepers(scene, "one") == _sleepers(scene, "*") == {}


def _sleepers(scene: Scene, name: str) -> dict[str, int]:
    rows = scene.client().zrange(scene.key(f"sleepers:{name}"), 0, -1, withscores=True)
    return {member.decode(): int(score) for member, score in rows}
