"""prune, and the slice that settle prunes: retention by count and by age, never what ended just now."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene, outcome
from tests.support.servers import RedisServer

HOUR_MS = 3_600_000


@pytest_asyncio.fixture
async def keep10(server: RedisServer) -> AsyncIterator[Scene]:
    """A scene that keeps 10 COMPLETED tasks and, of others, those of the last hour."""
    async with scene_on(server, retention__count=10, retention__days=1 / 24) as scene:
        yield scene


async def complete(scene: Scene, *names: str, type: str = "mail") -> None:
    """Complete tasks in one call, long ago in the eyes of retention."""
    await scene.ended("completed", *names, type=type)
    age_journal(scene)


def age_journal(scene: Scene, ms: int = 10_000) -> None:
    """Move the journals' entries into the past; Redis changes no ids, so they are written anew."""
    client = scene.client()
    for raw in client.keys(scene.key("done*")):
        kept = client.xrange(raw)
        client.delete(raw)
        for entry, fields in kept:
            at, _, sequence = entry.decode().partition("-")
            # Once only: entries that are old already keep their place.
            old = int(at) - ms if int(at) > scene.now_ms() - ms // 2 else int(at)
            client.xadd(raw, fields, id=f"{old}-{sequence}")


async def test_by_count(server: RedisServer) -> None:
    """Beyond the count the oldest COMPLETED go by whole entries: hashes, both journals, counters."""
    async with scene_on(server) as filling:
        for n in range(4):
            kind = "mail" if n % 2 else "report"
            await complete(filling, f"a{n}", f"b{n}", f"c{n}", type=kind)
    async with scene_on(server, after=filling, retention__count=10) as scene:
        before = scene.state()
        assert await scene.broker.prune(0) == (3, 0, 0, False)
        changed = scene.changes(before)
        fields = ("spec", "type", "entry", "state", "history", "result")
        assert {path for path in changed if path.startswith("task:")} == {
            f"task:{name}/{field}" for name in ("a0", "b0", "c0") for field in fields
        }
        others = {path: value for path, value in changed.items() if not path.startswith("task:")}
        first = min(path for path in before if path.startswith("done/")).removeprefix("done/")
        assert others == {
            f"done/{first}": None,
            "counts/COMPLETED": "9",
            "counts/COMPLETED:report": "3",
        }
        # A type's own journal is trimmed by those that are told its name.
        assert f"done:report/{first}" in scene.state()
        before = scene.state()
        assert await scene.broker.prune(0, types=["report", "mail"]) == (0, 0, 0, False)
        assert scene.changes(before) == {f"done:report/{first}": None}


async def test_settle_prunes_what_is_too_much(keep10: Scene) -> None:
    """In the long run a settle removes as many old tasks as it completes."""
    for n in range(15):
        await complete(keep10, f"a{n}", f"b{n}")
    client = keep10.client()
    assert keep10.state()["counts/COMPLETED"] == "10"
    assert client.xlen(keep10.key("done")) == 5
    await keep10.broker.trim_journals(0)
    assert client.xlen(keep10.key("done:mail")) == 5


async def test_settle_prunes_at_most_twice_its_own(redis7: RedisServer) -> None:
    """A great backlog of old tasks goes in slices, so that no single settle pays for all."""
    async with scene_on(redis7) as filling:
        for n in range(10):
            await complete(filling, *(f"{n}-{k}" for k in range(5)))
    async with scene_on(redis7, after=filling, retention__count=10) as scene:
        await scene.ended("completed", "one")
        # 50 + 1 - 10 are too many; the settle of one takes one whole entry of five.
        assert scene.state()["counts/COMPLETED"] == "46"
        await scene.ended("completed", *(f"more {n}" for n in range(4)))
        # Twice four are eight: two entries of five.
        assert scene.state()["counts/COMPLETED"] == "40"


async def test_hashes_that_are_gone(redis7: RedisServer) -> None:
    """Where hashes are gone already, each type's counter loses only what was still there."""
    async with scene_on(redis7) as filling:
        await filling.submit("a", "b")
        await filling.submit("c", type="report")
        claims = (await filling.claim()).claims
        await filling.settle(*(outcome(claim) for claim in claims))
        age_journal(filling)
        filling.client().delete(filling.key("task:b"))
        left = {"COMPLETED": 2, "COMPLETED:mail": 1}
        filling.client().hset(filling.key("counts"), mapping=left)
    async with scene_on(redis7, after=filling, retention__count=0) as scene:
        assert (await scene.broker.prune(0)).completed == 3
        state = scene.state()
        assert [state[f"counts/COMPLETED{of}"] for of in ("", ":mail", ":report")] == ["0"] * 3


async def test_nothing_younger_than_a_tombstone(keep10: Scene) -> None:
    """What ended less than a tombstone ago stays, by count neither: late repeats are answered rightly."""
    claims = await keep10.running(*(f"t{n}" for n in range(20)))
    outcomes = [outcome(claim) for claim in claims.values()]
    await keep10.settle(*outcomes)
    before = keep10.state()
    assert (await keep10.broker.prune(0)).completed == 0
    assert keep10.changes(before) == {}
    assert set(await keep10.settle(*outcomes)) == {"already"}


async def test_by_age(keep10: Scene) -> None:
    """Past its age everything that has ended goes: COMPLETED, CANCELLED and DEAD, with its indexes."""
    claims = await keep10.running("dead", "cancelled", "completed", "young")
    await keep10.settle(
        outcome(claims["dead"], "dead", detail=b"no_luck:print"),
        outcome(claims["cancelled"], "cancelled"),
        outcome(claims["completed"]),
    )
    await keep10.settle(outcome(claims["young"], "dead"))
    before = keep10.state()
    age_journal(keep10, 2 * HOUR_MS)
    client, old = keep10.client(), keep10.now_ms() - 2 * HOUR_MS
    for name, state in (("dead", "DEAD"), ("cancelled", "CANCELLED")):
        for index in (f"index:{state}", f"index:{state}:mail"):
            client.zadd(keep10.key(index), {keep10.id(name): old})
    assert await keep10.broker.prune(0) == (1, 1, 1, False)
    after = keep10.state()
    kept = {path.split("/")[0] for path in after if path.startswith("task:")}
    assert kept == {"task:young"}
    assert [path for path in after if path.startswith("index:")] == [
        "index:DEAD/young",
        "index:DEAD:mail/young",
    ]
    assert {path: after[path] for path in after if path.startswith("counts/")} == {
        **{path: value for path, value in before.items() if path.startswith("counts/")},
        "counts/DEAD": "1",
        "counts/DEAD:mail": "1",
        "counts/CANCELLED": "0",
        "counts/CANCELLED:mail": "0",
        "counts/COMPLETED": "0",
        "counts/COMPLETED:mail": "0",
    }


async def test_indexed_and_gone(keep10: Scene) -> None:
    """What the zsets name although its hash is gone leaves all of them, of whatever type it was."""
    await keep10.ended("cancelled", "cancelled", type="report")
    await keep10.ended("cancelled", "cancelled too", type="other")
    claims = await keep10.running("gone", "dead")
    await keep10.settle(
        *(outcome(claim, "dead", detail=b"no_luck:print") for claim in claims.values())
    )
    client, old = keep10.client(), keep10.now_ms() - 2 * HOUR_MS
    for key in client.keys(keep10.key("index:*")) + client.keys(keep10.key("fingerprint:*")):
        for member in client.zrange(key, 0, -1):
            client.zadd(key, {member: old})
    for name, state, kind in (("gone", "DEAD", "mail"), ("cancelled", "CANCELLED", "report")):
        client.delete(keep10.key(f"task:{name}"))
        for field in (state, f"{state}:{kind}"):
            client.hincrby(keep10.key("counts"), field, -1)
    report = await verify(keep10.broker)
    assert {(f.code, f.key.rpartition("}:")[2]) for f in report.findings} == {
        (Code.INDEX_WRONG, key)
        for key in (
            "index:DEAD", "index:DEAD:mail", "fingerprint:print", "index:CANCELLED", "index:CANCELLED:report",
        )
    }  # fmt: skip
    await keep10.broker.prune(0)
    assert client.keys(keep10.key("index:*")) + client.keys(keep10.key("fingerprint:*")) == []


async def test_more_than_a_slice(redis7: RedisServer) -> None:
    """A prune takes about 256 tasks of a kind, and says that there is more."""
    async with scene_on(redis7) as filling:
        for n in range(6):
            await complete(filling, *(f"{n}-{k}" for k in range(100)))
    async with scene_on(redis7, after=filling, retention__count=0) as scene:
        assert await scene.broker.prune(0) == (300, 0, 0, True)
        assert await scene.broker.prune(0) == (300, 0, 0, False)


async def test_events(scene: Scene) -> None:
    """Events older than a minute are trimmed in whole blocks; young ones stay."""
    await scene.submit("a")
    client = scene.client()
    key = scene.key("events")
    client.delete(key)
    for n in range(1000):
        client.xadd(key, {"k": "old"}, id=f"{scene.now_ms() - HOUR_MS}-{n + 1}")
    client.xadd(key, {"k": "young"})
    await scene.broker.prune(0)
    left = client.xrange(key)
    assert len(left) <= 101
    assert left[-1][1] == {b"k": b"young"}
