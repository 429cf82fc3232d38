"""recover: who is silent for a lease loses what it has not renewed; who is alive loses nothing."""

from shoal.broker.keys import GROUP
from tests.support.builders import ME, OTHER, THIRD, Scene, outcome

LEASE_MS = 3000


async def test_silent_for_a_lease(scene: Scene) -> None:
    """What a silent incarnation has not renewed for a lease goes back with reason lost; it counts as dead."""
    claims = await scene.running("a", incarnation=OTHER)
    await scene.claim(ME)
    scene.silence(OTHER, LEASE_MS + 500)
    scene.age(claims["a"], idle_ms=LEASE_MS + 500, incarnation=OTHER)
    before = scene.state()
    assert await scene.broker.recover(0, ME) == (1, 1, False)
    assert scene.changes(before) == {
        "stream:default:1/a.1": "a mail @ returned x1",
        f"stream:default:1>{OTHER}": None,
        "stream:default:1>returned": "1 pending",
        "task:a/history": f"interrupted|default:1/a.1/1|{OTHER}|MS|0|lost|;",
        "task:a/recoveries": "1",
        "ready/default:1": "1",
        "ready/default:1:returned": "1",
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "stats/interrupted:mail": "1",
        f"claimed:{OTHER}": "dead (expires)",
        f"beats/{OTHER}": None,
        "events/3": f"k=interrupted w={ME} o=a mail returned lost",
    }
    assert (await scene.claim(OTHER)).status == "dead"
    before = scene.state()
    assert await scene.broker.recover(0, ME) == (0, 0, False)
    assert scene.changes(before) == {}


async def test_alive(scene: Scene) -> None:
    """Nothing is taken from an incarnation with a fresh beat, however long an entry was not renewed."""
    claims = await scene.running("a", incarnation=OTHER)
    scene.silence(OTHER, 0)
    scene.age(claims["a"], idle_ms=LEASE_MS * 3, incarnation=OTHER)
    assert await scene.broker.recover(0, ME) == (0, 0, False)


async def test_renewed_entries_of_a_silent_incarnation(scene: Scene) -> None:
    """Of an incarnation without a beat only what is idle for a lease is taken; the rest and its name stay."""
    claims = await scene.running("old", "renewed", incarnation=OTHER)
    scene.silence(OTHER, LEASE_MS + 500)
    scene.age(claims["old"], idle_ms=LEASE_MS + 500, incarnation=OTHER)
    assert await scene.broker.recover(0, ME) == (1, 0, False)
    state = scene.state()
    assert state["stream:default:1/renewed.1"] == f"renewed mail @ {OTHER} x1"
    assert f"beats/{OTHER}" in state


async def test_silent_with_nothing(scene: Scene) -> None:
    """A silent incarnation that had nothing leaves; it is not dead, and may come back."""
    await scene.claim(OTHER, want=0, sleep_s=1)
    scene.silence(OTHER, LEASE_MS + 500)
    await scene.claim(ME)
    before = scene.state()
    assert await scene.broker.recover(0, ME) == (0, 1, False)
    assert scene.changes(before) == {f"beats/{OTHER}": None, f"sleepers:*/{OTHER}": None}
    assert (await scene.claim(OTHER)).status == "ok"


async def test_grace(scene: Scene) -> None:
    """Nothing is taken before the grace after an outage is over."""
    claims = await scene.running("a", incarnation=OTHER)
    scene.silence(OTHER, LEASE_MS * 3)
    scene.age(claims["a"], idle_ms=LEASE_MS * 3, incarnation=OTHER)
    client = scene.client()
    client.set(scene.key("grace_until"), scene.now_ms() + 60_000)
    assert await scene.broker.recover(0, ME) == (0, 0, True)
    client.set(scene.key("grace_until"), scene.now_ms() - 1)
    assert await scene.broker.recover(0, ME) == (1, 1, False)


async def test_a_gap_begins_a_grace(scene: Scene) -> None:
    """The first contact after more than a third of a lease begins a grace of a lease, whatever script makes it."""
    client = scene.client()
    for contact in (scene.renew, scene.claim, lambda: scene.broker.recover(0, ME)):
        scene.silence(ME, 0)
        client.set(scene.key("contact"), scene.now_ms() - LEASE_MS // 3 - 100)
        await contact()
        left = int(client.get(scene.key("grace_until"))) - scene.now_ms()
        assert LEASE_MS - 1000 < left <= LEASE_MS
        # The gap is closed: the next contact does not prolong the grace.
        until = client.get(scene.key("grace_until"))
        await contact()
        assert client.get(scene.key("grace_until")) == until


async def test_a_clock_that_went_back_begins_a_grace(scene: Scene) -> None:
    """A last contact in the future means that the clock jumped: nothing is recovered for a lease."""
    scene.silence(ME, 0)
    scene.client().set(scene.key("contact"), scene.now_ms() + 60_000)
    assert (await scene.broker.recover(0, ME)).waiting_for_grace


async def test_no_contact_before_begins_a_grace(scene: Scene) -> None:
    """So does a partition where nobody was ever in contact, as after a flush."""
    assert (await scene.broker.recover(0, ME)).waiting_for_grace


async def test_contact_in_time_begins_none(scene: Scene) -> None:
    """A contact within a third of a lease leaves the grace as it was."""
    scene.silence(ME, 0)
    until = scene.client().get(scene.key("grace_until"))
    await scene.renew()
    assert scene.client().get(scene.key("grace_until")) == until


async def test_consumers_that_nobody_knows(scene: Scene) -> None:
    """Consumers without a beat are found once a minute, and lose what is idle for a lease."""
    claims = await scene.running("a", incarnation=OTHER)
    await scene.claim(ME)
    scene.silence(OTHER, 0)
    scene.client().zrem(scene.key("beats"), OTHER)
    scene.age(claims["a"], idle_ms=LEASE_MS + 500, incarnation=OTHER)
    assert await scene.broker.recover(0, ME) == (0, 0, False)
    assert await scene.broker.recover(0, ME, full=True) == (1, 1, False)
    # The consumer of what is handed back is nobody's.
    assert await scene.broker.recover(0, ME, full=True) == (0, 0, False)


async def test_taken_again_while_it_was_away(scene: Scene) -> None:
    """What went back is not taken from its next holder, however long it lay: its idle time began anew."""
    claims = await scene.running("a", incarnation=OTHER)
    scene.silence(OTHER, LEASE_MS + 500)
    scene.age(claims["a"], idle_ms=LEASE_MS + 500, incarnation=OTHER)
    await scene.broker.recover(0, ME)
    (claim,) = (await scene.claim(THIRD)).claims
    scene.silence(THIRD, LEASE_MS + 500)
    assert await scene.broker.recover(0, ME, full=True) == (0, 0, False)
    assert await scene.settle(outcome(claim), incarnation=THIRD) == ["ok"]
    assert scene.client().xpending(scene.key("stream:default:1"), GROUP)["pending"] == 0


async def test_dead_caller_gets_no_beat(scene: Scene) -> None:
    """A released incarnation that still recovers does not come back to life by it."""
    await scene.broker.release(0, ME, "lost")
    scene.silence(OTHER, 0)
    before = scene.state()
    await scene.broker.recover(0, ME)
    assert scene.changes(before) == {}
