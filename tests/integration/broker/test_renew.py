"""renew: what keeps its lease, what is lost, and what a worker had without knowing it."""

from shoal.broker.keys import GROUP
from tests.support.builders import ME, OTHER, Scene, outcome

LEASE_MS = 3000


async def test_keeps_what_holds(scene: Scene) -> None:
    """A renewal resets the idle time, does not count a delivery, and stamps `started` once a token."""
    claims = await scene.running("a")
    scene.age(claims["a"], idle_ms=2000)
    before = scene.state()
    renewed = await scene.renew(claims["a"])
    assert renewed == ("ok", [], [], [])
    assert _idle(scene, "default:1") < 1000
    token = scene.names.words(claims["a"].token)
    assert scene.changes(before) == {"task:a/started": f"{token} MS"}
    started = scene.client().hget(scene.key("task:a"), "started")
    assert abs(int(started.split()[1]) - (scene.now_ms() - 2000)) < 1000
    before = scene.state()
    await scene.renew(claims["a"])
    assert scene.changes(before) == {}
    assert scene.client().hget(scene.key("task:a"), "started") == started


async def test_new_run_new_stamp(scene7: Scene) -> None:
    """A second run of a task has a start of its own."""
    claims = await scene7.running("a")
    await scene7.renew(claims["a"])
    await scene7.settle(outcome(claims["a"], "returned"))
    (second,) = (await scene7.claim()).claims
    await scene7.renew(second)
    assert scene7.state()["task:a/started"] == "default:1/a.1/2 MS"


async def test_lost(scene: Scene) -> None:
    """What ended, was handed back, is another's or has no hash any more is lost, and nothing is touched."""
    claims = await scene.running("ended", "returned", "taken", "gone", "kept")
    await scene.settle(outcome(claims["ended"]), outcome(claims["returned"], "returned"))
    await scene.settle(outcome(claims["taken"], "returned"))
    # What is handed back is taken oldest first.
    taken = await scene.claim(OTHER, want=2)
    await scene.settle(
        *(outcome(c, "returned") for c in taken.claims if c.id == claims["returned"].id),
        incarnation=OTHER,
    )
    scene.client().delete(scene.key("task:gone"))
    before = scene.state()
    renewed = await scene.renew(*claims.values())
    lost = set(renewed.lost)
    assert lost == {claims[n].token for n in ("ended", "returned", "taken", "gone")}
    assert scene.changes(before) == {"task:kept/started": "default:1/kept.1/1 MS"}
    scene.leaves_faults = True


async def test_cancel_requested(scene: Scene) -> None:
    """A renewal says whose cancel is requested; those are kept."""
    claims = await scene.running("a", "b")
    await scene.broker.cancel([scene.id("a")])
    renewed = await scene.renew(*claims.values())
    assert renewed.cancel_requested == [claims["a"].token]
    assert renewed.lost == []


async def test_unknown(scene: Scene) -> None:
    """What is pending under its name, not in the call and idle for a third of a lease is told, and not renewed."""
    claims = await scene.running("mine", "unknown", "fresh")
    scene.age(claims["unknown"], idle_ms=LEASE_MS // 3 + 200)
    renewed = await scene.renew(claims["mine"])
    assert [tuple(claim) for claim in renewed.unknown] == [
        (claims["unknown"].token, claims["unknown"].id, b"mail")
    ]
    again = await scene.renew(claims["mine"])
    assert again.unknown == renewed.unknown
    # It is settled as returned, and another can take it.
    assert await scene.settle(outcome(claims["unknown"], "returned")) == ["ok"]
    assert scene.named((await scene.claim(OTHER)).claims) == ["unknown"]


async def test_unknown_in_any_queue(scene: Scene) -> None:
    """Unknown entries of queues that neither the call nor the record names come up by rotation."""
    await scene.submit("a", queue="one")
    await scene.submit("b", queue="two")
    claims = {scene.names.name(c.id): c for c in (await scene.claim()).claims}
    await scene.claim()
    for name in "ab":
        scene.age(claims[name], idle_ms=2000)
    found = [[c.id for c in (await scene.renew(rotation=n)).unknown] for n in range(2)]
    assert sorted(found) == sorted([[claims["a"].id], [claims["b"].id]])


async def test_unknown_among_the_isolated(scene: Scene) -> None:
    """An isolation shard's entries come up by rotation too."""
    await scene.submit("a")
    entry = scene.client().xadd(
        scene.key("stream:default:1:isolated"), {"i": scene.id("b"), "y": "mail"}
    )
    scene.client().hset(scene.key("ready"), "default:1:isolated", 1)
    place = f"default:1:isolated/{entry.decode()}"
    scene.client().hset(
        scene.key("task:b"), mapping={"type": "mail", "entry": place, "spec": b"{}\nnull"}
    )
    for field in ("PENDING", "PENDING:mail"):
        scene.client().hincrby(scene.key("counts"), field, 1)
    (claim,) = (await scene.claim(isolated=True)).claims
    assert scene.named([claim]) == ["b"]
    # The call after it brought nothing: its record names no stream any more.
    assert (await scene.claim(isolated=True)).claims == []
    scene.age(claim, idle_ms=2000)
    assert [found.id for found in (await scene.renew()).unknown] == [claim.id]
    assert await scene.settle(outcome(claim)) == ["ok"]


async def test_unknown_of_the_recorded_claim(scene: Scene) -> None:
    """What the last claim brought is looked for in its own streams, whatever the rotation is at."""
    await scene.submit("a", queue="one")
    await scene.submit("b", queue="two", priority=0)
    await scene.submit("c", queue="three", priority=0)
    claims = (await scene.claim()).claims
    scene.age(*claims, idle_ms=2000)
    assert len((await scene.renew()).unknown) == 3


async def test_dead(scene: Scene) -> None:
    """A released incarnation is told that it is dead; it gets no beat."""
    claims = await scene.running("a")
    await scene.broker.release(0, ME, "lost")
    before = scene.state()
    assert (await scene.renew(claims["a"])).status == "dead"
    assert scene.changes(before) == {}


async def test_touch_only(scene: Scene) -> None:
    """A renewal without claims is a contact and a beat."""
    before = scene.state()
    assert (await scene.renew()).status == "ok"
    assert scene.changes(before) == {
        f"beats/{ME}": "MS",
        "contact": "MS",
        "grace_until": "MS",
    }


def _idle(scene: Scene, stream: str) -> int:
    (row,) = scene.client().xpending_range(scene.key(f"stream:{stream}"), GROUP, "-", "+", 10)
    return int(row["time_since_delivered"])
