"""purge: what waits in a queue is cancelled in slices; what runs, and what comes later, is not."""

import pytest

from shoal.broker import operator_calls
from shoal.broker.keys import unique_digest
from shoal.broker.purging import Purge
from shoal.errors import InvalidOperation
from tests.support.builders import OTHER, Scene, outcome


async def test_whole_state(scene: Scene) -> None:
    """A purged task is CANCELLED with the reason, its entry is gone, and its unique key is free."""
    await scene.submit("a", unique_key="k")
    before = scene.state()
    assert await (await Purge.begin(scene.broker, "default", 1)).run() == 1
    assert scene.changes(before) == {
        "stream:default:1/a.1": None,
        "task:a/state": "CANCELLED",
        "task:a/reason": "purged",
        "task:a/ended": "MS",
        "index:CANCELLED/a": "MS",
        "index:CANCELLED:mail/a": "MS",
        f"unique:{unique_digest('k')}": None,
        "ready/default:1": None,
        "counts/PENDING": "0",
        "counts/PENDING:mail": "0",
        "counts/CANCELLED": "1",
        "counts/CANCELLED:mail": "1",
        "stats/cancelled:mail": "1",
        "events/2": "k=cancelled o=a mail CANCELLED purged",
    }


async def test_what_runs_stays_and_what_was_handed_back_goes(scene: Scene) -> None:
    """RUNNING tasks go on and settle; tasks under `returned` are PENDING and are cancelled."""
    claims = await scene.running("runs")
    await scene.running("back", incarnation=OTHER)
    await scene.broker.release(0, OTHER, "killed")
    await scene.submit("waits")
    assert await (await Purge.begin(scene.broker, "default")).run() == 2
    assert await scene.settle(outcome(claims["runs"])) == ["ok"]
    states = await scene.broker.counts_by_state()
    assert (states["COMPLETED"], states["CANCELLED"], states["PENDING"]) == (1, 2, 0)
    assert not [path for path in scene.state() if path.startswith("ready/")]


async def test_isolated_tasks_go_too(scene: Scene) -> None:
    """What only an isolation shard may take is purged with its queue and priority."""
    await scene.submit("a")
    await isolate(scene, "a")
    assert await (await Purge.begin(scene.broker, "default", 1)).run() == 1
    assert (await scene.broker.counts_by_state())["CANCELLED"] == 1


async def isolate(scene: Scene, name: str) -> None:
    """Move a waiting task to its isolated stream, as the broker will."""
    client = scene.client()
    task = scene.key(f"task:{name}")
    stream, entry = client.hget(task, "entry").decode().split("/")
    moved = client.xadd(
        scene.key(f"stream:{stream}:isolated"), {"i": scene.id(name), "y": "mail"}
    ).decode()
    client.xdel(scene.key(f"stream:{stream}"), entry)
    client.hset(task, "entry", f"{stream}:isolated/{moved}")
    client.hdel(scene.key("ready"), stream)
    client.hincrby(scene.key("ready"), f"{stream}:isolated", 1)


async def test_only_the_queue_and_priority_meant(scene: Scene) -> None:
    """Other queues and priorities are left alone; without a queue all are meant, without a priority all four."""
    await scene.submit("low", priority=0)
    await scene.submit("high", priority=2)
    await scene.submit("other", queue="other")
    assert await (await Purge.begin(scene.broker, "default", 2)).run() == 1
    assert await (await Purge.begin(scene.broker, "default")).run() == 1
    assert await (await Purge.begin(scene.broker, "unknown")).run() == 0
    assert await (await Purge.begin(scene.broker)).run() == 1


async def test_what_comes_after_it_began_stays(scene7: Scene) -> None:
    """Slices end at the entry that was the last when the purge began; a late copy of one takes no newer task."""
    scene = scene7
    await scene.submit(*(f"old {n}" for n in range(256)))
    await scene.submit("old 256", "old 257")
    first = await scene.broker.run(operator_calls.purge(0, "default:1", "purged"))
    assert first.purged == 256
    await scene.submit("new")
    late = operator_calls.purge(0, "default:1", "purged", first.last, first.after)
    assert await scene.broker.run(late) == (2, first.last, "")
    before = scene.state()
    assert await scene.broker.run(late) == (0, first.last, "")
    assert scene.changes(before) == {}
    assert scene.named((await scene.claim()).claims) == ["new"]


async def test_goes_on_from_its_cursor(scene7: Scene) -> None:
    """A purge that was cut off goes on where its cursor stood, and counts what was done before."""
    scene = scene7
    await scene.submit(*(f"a {n}" for n in range(200)))
    await scene.submit(*(f"b {n}" for n in range(200)))
    purge = await Purge.begin(scene.broker, "default", 1)
    assert await purge.step() == 256
    assert not purge.is_done
    again = Purge.resume(scene.broker, purge.cursor)
    assert await again.run() == 400
    assert again.is_done
    assert await Purge.resume(scene.broker, again.cursor).run() == 400
    with pytest.raises(InvalidOperation, match="no cursor"):
        Purge.resume(scene.broker, "x")
    with pytest.raises(InvalidOperation, match="another namespace"):
        Purge.resume(scene.broker, '[0,[{"partition":7,"stream":"default:1"}]]')


async def test_running_tasks_before_the_waiting_ones(scene7: Scene) -> None:
    """However many run in front, a purge comes to what waits behind them."""
    scene = scene7
    names = [f"r {n}" for n in range(256)]
    claims: list[str] = []
    await scene.submit(*names)
    claims += scene.named((await scene.claim(want=256)).claims)
    await scene.submit("waits")
    assert len(claims) == 256
    assert await (await Purge.begin(scene.broker, "default", 1)).run() == 1
    assert (await scene.broker.counts_by_state())["RUNNING"] == 256


async def test_an_entry_without_its_task_is_left_to_the_claim(scene7: Scene) -> None:
    """An entry whose hash is gone, or stands elsewhere, is no task: the claim that meets it drops it."""
    scene = scene7
    await scene.submit("gone", "a")
    scene.client().delete(scene.key("task:gone"))
    assert await (await Purge.begin(scene.broker, "default", 1)).run() == 1
    assert (await scene.claim()).claims == []
    assert (await scene.broker.counts_by_state())["PENDING"] == 0
