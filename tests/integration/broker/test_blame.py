"""release with charged tokens, and what stands apart afterwards: tasks, types, and what ends either."""

import pytest

from shoal.broker.results import Blame, Charge, Claim
from tests.support.builders import ME, OTHER, THIRD, Scene, outcome
from tests.support.servers import RedisServer

SEGFAULT = "killed by SIGSEGV"


def blame(*claims: Claim, partition: int = 0) -> Blame:
    """These were executing when their shard died of a segmentation fault."""
    return Blame(SEGFAULT, tuple(Charge(partition, claim.token, claim.type) for claim in claims))


async def crash(scene: Scene, *names: str, incarnation: str = ME, isolated: bool = False) -> None:
    """Claim these, and die while the first of them is executing."""
    claimed = await scene.claim(incarnation, len(names), isolated=isolated)
    claims = dict(zip(scene.named(claimed.claims), claimed.claims, strict=True))
    assert sorted(claims) == sorted(names)
    await scene.broker.release(0, incarnation, "crashed", blame(claims[names[0]]))


async def test_whole_state(scene: Scene) -> None:
    """What was executing is charged and goes apart; its neighbour goes back uncharged."""
    claims = await scene.running("guilty", "innocent")
    before = scene.state()
    released = await scene.broker.release(0, ME, "crashed", blame(claims["guilty"]))
    assert released == (2, True, 1)
    scene.state()
    changed = scene.changes(before)
    assert changed.pop("charges/mail w-0.aaaaaa") == "MS"
    assert changed == {
        "stream:default:1/guilty.1": None,
        "stream:default:1:isolated/guilty.2": "guilty mail",
        "stream:default:1/innocent.1": "innocent mail @ returned x1",
        f"stream:default:1>{ME}": None,
        "stream:default:1>returned": "1 pending",
        "task:guilty/crashes": "1",
        "task:guilty/entry": "default:1:isolated/guilty.2",
        "task:guilty/history": f"interrupted|default:1/guilty.1/1|{ME}|MS|0|crashed|{SEGFAULT};",
        "task:innocent/history": f"interrupted|default:1/innocent.1/1|{ME}|MS|0|beside_crash|;",
        "ready/default:1": "1",
        "ready/default:1:returned": "1",
        "ready/default:1:isolated": "1",
        "counts/PENDING": "2",
        "counts/PENDING:mail": "2",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "stats/interrupted:mail": "2",
        "stats/crashed:mail": "1",
        "stats/isolated:mail": "1",
        f"claimed:{ME}": "dead (expires)",
        f"beats/{ME}": None,
        "events/3": f"k=interrupted w={ME} o=guilty mail isolated crashed;"
        "innocent mail returned beside_crash",
    }


async def test_a_repeated_release_charges_once(scene: Scene) -> None:
    """The same release again, late: nothing is charged twice."""
    claims = await scene.running("a")
    await scene.broker.release(0, ME, "crashed", blame(claims["a"]))
    before = scene.state()
    assert await scene.broker.release(0, ME, "crashed", blame(claims["a"])) == (0, True, 0)
    assert scene.changes(before) == {}


async def test_only_an_isolation_shard_takes_what_stands_apart(scene: Scene) -> None:
    """An ordinary claim passes it by, also one that trusts no counter; an isolation shard's takes nothing else."""
    claims = await scene.running("guilty")
    await scene.broker.release(0, ME, "crashed", blame(claims["guilty"]))
    await scene.submit("ordinary", type="other")
    assert scene.named((await scene.claim(OTHER, ignore_counters=True)).claims) == ["ordinary"]
    (claim,) = (await scene.claim(THIRD, isolated=True, ignore_counters=True)).claims
    assert scene.named([claim]) == ["guilty"]
    assert await scene.settle(outcome(claim), incarnation=THIRD) == ["ok"]


async def test_too_many_crashes(scene: Scene) -> None:
    """The third charge, alone, ends it: DEAD, quarantined, with what its shard died of, and out of its stream."""
    await scene.submit("a", unique_key="k")
    await crash(scene, "a", incarnation="w-0.aaaaaa")
    await crash(scene, "a", incarnation="w-9.aaaaaa", isolated=True)
    await crash(scene, "a", incarnation="w-9.bbbbbb", isolated=True)
    (task,) = await scene.broker.inspect([scene.id("a")])
    assert task is not None
    assert (task.state, task.fields["reason"], task.fields["crashes"]) == (
        "DEAD",
        b"quarantined",
        b"3",
    )
    assert SEGFAULT in task.fields["error"].decode()
    (again,) = await scene.broker.requeue([scene.id("a")], "op")
    assert again.status == "requeued"
    (task,) = await scene.broker.inspect([scene.id("a")])
    assert task is not None
    assert "crashes" not in task.fields
    assert task.fields["entry"].startswith(b"default:1:isolated/")


async def test_shared_blame_quarantines_nobody(scene: Scene) -> None:
    """Where several were executing, even a charge too many only sets them apart from each other."""
    claims = await scene.running("a", "b")
    scene.client().hset(scene.key("task:a"), "crashes", 2)
    scene.client().hset(scene.key("task:b"), "crashes", 2)
    await scene.broker.release(0, ME, "crashed", blame(*claims.values()))
    for name in ("a", "b"):
        (task,) = await scene.broker.inspect([scene.id(name)])
        assert task is not None
        assert (task.state, task.fields["crashes"]) == ("PENDING", b"3")


async def test_a_type_with_three_charges_is_isolated_whole(scene: Scene) -> None:
    """Its waiting tasks are moved by the claim that meets them, which brings those of other types all the same."""
    for number in range(3):
        claims = await scene.running(f"guilty-{number}", incarnation=f"w-{number}.aaaaaa")
        await scene.broker.release(
            0, f"w-{number}.aaaaaa", "crashed", blame(claims[f"guilty-{number}"])
        )
    await scene.submit("poison-1", "poison-2", "poison-3")
    await scene.submit("good", type="other")
    before = scene.state()
    claimed = await scene.claim(OTHER, want=1)
    assert scene.named(claimed.claims) == ["good"]
    changed = scene.changes(before)
    assert changed["ready/default:1:isolated"] == "6"
    assert changed["ready/default:1"] is None
    assert changed["stats/isolated:mail"] == "6"
    assert "type_isolated" in (changed["task:poison-1/history"] or "")
    assert "ready/isolated_types" not in changed
    assert before["ready/isolated_types"] == "1"


async def test_a_success_ends_the_isolation_of_a_type(scene: Scene) -> None:
    """One task of it completes in isolation when its charges are old: its tasks are as others are again."""
    for number in range(3):
        claims = await scene.running(f"guilty-{number}", incarnation=f"w-{number}.aaaaaa")
        await scene.broker.release(
            0, f"w-{number}.aaaaaa", "crashed", blame(claims[f"guilty-{number}"])
        )

    async def complete() -> None:
        (claim,) = (await scene.claim(THIRD, want=1, isolated=True)).claims
        assert await scene.settle(outcome(claim), incarnation=THIRD) == ["ok"]

    await complete()
    assert scene.state()["ready/isolated_types"] == "1", "three charges in this minute outweigh it"
    scene.client().delete(scene.key("charges"))
    await complete()
    assert "ready/isolated_types" not in scene.state()
    await scene.submit("next")
    assert scene.named((await scene.claim(OTHER)).claims) == ["next"]


async def test_an_isolation_whose_time_is_over(scene: Scene) -> None:
    """A claim after its time forgets it and takes the tasks."""
    scene.client().hset(scene.key("isolated_types"), "mail", scene.now_ms() - 1)
    scene.client().hset(scene.key("ready"), "isolated_types", 1)
    await scene.submit("a")
    assert scene.named((await scene.claim()).claims) == ["a"]
    assert "isolated_types/mail" not in scene.state()


async def test_types_are_charged_in_every_partition(redis7: RedisServer) -> None:
    """Three deaths in three partitions isolate the type in all of them."""
    from tests.integration.broker.conftest import scene_on

    async with scene_on(redis7, partitions=3) as scene:
        for guilty in range(3):
            name = f"w-{guilty}.aaaaaa"
            claims = await scene.running(f"g{guilty}", incarnation=name, partition=guilty)
            why = blame(*claims.values(), partition=guilty)
            for partition in range(3):
                await scene.broker.release(partition, name, "crashed", why)
        for partition in range(3):
            assert scene.state(partition)["ready/isolated_types"] == "1"
            assert scene.state(partition)["ready/default:1:isolated"] == "1"


@pytest.mark.parametrize(("reason", "is_apart"), [("killed", True), ("drained", False)])
async def test_three_recoveries_in_an_hour(scene: Scene, reason: str, is_apart: bool) -> None:
    """The third time in an hour that its worker was killed, a task is ambiguous and goes apart."""
    await scene.submit("a")
    for number in range(3):
        incarnation = f"w-{number}.aaaaaa"
        assert len((await scene.claim(incarnation)).claims) == 1
        released = await scene.broker.release(0, incarnation, reason)
        assert released.isolated == int(is_apart and number == 2)
    assert ("ready/default:1:isolated" in scene.state()) is is_apart


async def test_recoveries_that_are_an_hour_apart(scene: Scene) -> None:
    """Old recoveries do not make a task ambiguous."""
    await scene.running("a")
    old = scene.now_ms() - 3_700_000
    lines = "".join(f"interrupted\x1ft/{n}/1\x1fw\x1f{old}\x1f0\x1fkilled\x1f\n" for n in range(5))
    key = scene.key("task:a")
    scene.client().hset(key, mapping={"history": lines, "recoveries": 5})
    assert await scene.broker.release(0, ME, "killed") == (1, True, 0)


@pytest.mark.parametrize("verb", ["release", "recover"])
async def test_lost_too_often(scene: Scene, verb: str) -> None:
    """The tenth recovery ends it: DEAD, lost_too_often."""
    claims = await scene.running("a")
    scene.client().hset(scene.key("task:a"), "recoveries", 9)
    if verb == "release":
        assert await scene.broker.release(0, ME, "killed") == (1, True, 0)
    else:
        scene.age(claims["a"], idle_ms=60_000)
        scene.silence(ME, 60_000)
        assert (await scene.broker.recover(0, OTHER)).recovered == 1
    (task,) = await scene.broker.inspect([scene.id("a")])
    assert task is not None
    assert (task.state, task.fields["reason"]) == ("DEAD", b"lost_too_often")
