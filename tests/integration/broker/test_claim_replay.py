"""claim: call numbers. A lost reply loses nothing, a late one takes nothing."""

from tests.support.builders import ME, OTHER, Scene, outcome


async def test_same_number_again(scene: Scene) -> None:
    """The recorded number answers again with the same claims, and takes nothing more."""
    await scene.submit("a", "b", "c")
    first = await scene.claim(want=2, number=1)
    before = scene.state()
    again = await scene.claim(want=2, number=1)
    assert again.claims == first.claims
    assert again.depths == first.depths
    assert scene.changes(before) == {}


async def test_only_what_still_holds(scene: Scene) -> None:
    """Of the recorded claims, those that have been settled or handed back are not answered again."""
    await scene.submit("a", "b", "c", "d")
    first = await scene.claim(want=4, number=1)
    a, b, _, _ = first.claims
    await scene.settle(outcome(a), outcome(b, "returned"))
    scene.client().delete(scene.key("task:c"))
    again = await scene.claim(want=4, number=1)
    assert scene.named(again.claims) == ["d"]
    scene.leaves_faults = True


async def test_not_what_another_has_now(scene: Scene) -> None:
    """A recorded token whose entry was handed back and taken by another is not answered again."""
    await scene.submit("a")
    first = await scene.claim(want=1, number=1)
    await scene.settle(outcome(first.claims[0], "returned"))
    await scene.claim(OTHER, want=1)
    assert (await scene.claim(want=1, number=1)).claims == []


async def test_empty_call_again(scene: Scene) -> None:
    """A recorded empty call answers empty again, although tasks have come meanwhile."""
    await scene.claim(number=5)
    await scene.submit("a")
    assert (await scene.claim(number=5)).claims == []
    assert scene.named((await scene.claim(number=6)).claims) == ["a"]


async def test_lower_number(scene: Scene) -> None:
    """A late copy of an earlier call is `old` and takes nothing."""
    await scene.claim(number=7)
    await scene.submit("a")
    before = scene.state()
    claimed = await scene.claim(number=6)
    assert (claimed.status, claimed.claims) == ("old", [])
    assert scene.changes(before) == {}


async def test_dead(scene: Scene) -> None:
    """A released incarnation is told that it is dead, and leaves no beat."""
    await scene.submit("a")
    await scene.claim(want=0)
    await scene.broker.release(0, ME, "lost")
    before = scene.state()
    claimed = await scene.claim()
    assert (claimed.status, claimed.claims) == ("dead", [])
    assert scene.changes(before) == {}


async def test_sleep_is_renewed_by_a_repeat(scene: Scene) -> None:
    """A repeated call stands as a sleeper again: the wake-up that its lost reply held is not lost."""
    await scene.claim(number=1, sleep_s=10)
    scene.client().delete(scene.key("sleepers:*"))
    assert (await scene.claim(number=1, sleep_s=10)).wake_ms > 0
    assert scene.client().zcard(scene.key("sleepers:*")) == 1
