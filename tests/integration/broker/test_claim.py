"""claim: what is taken, in which order, and what is dropped on the way."""

import pytest

from shoal.broker.results import Claimed
from tests.support.builders import ME, OTHER, SPEC, Scene, outcome, submission
from tests.support.waiting import wait_until_async


async def test_takes_what_is_ready(scene: Scene) -> None:
    """A claim moves entries to its pending list and writes nothing per task."""
    await scene.submit("a", "b", "c")
    before = scene.state()
    claimed = await scene.claim(want=2)
    assert [claim._replace(token=b"") for claim in claimed.claims] == [
        (b"", scene.id("a").encode(), b"mail", SPEC, None),
        (b"", scene.id("b").encode(), b"mail", SPEC, None),
    ]
    assert scene.names.words(claimed.claims[0].token) == "default:1/a.1/1"
    assert claimed.status == "ok"
    assert claimed.depths == (0, 1, 0, 0)
    assert claimed.wake_ms == 0
    seconds, _ = scene.client().time()
    assert abs(claimed.now_ms - seconds * 1000) < 5000
    assert 0 < claimed.oldest_ms <= claimed.now_ms
    assert scene.changes(before) == {
        "stream:default:1/a.1": f"a mail @ {ME} x1",
        "stream:default:1/b.1": f"b mail @ {ME} x1",
        f"stream:default:1>{ME}": "2 pending",
        "ready/default:1": "1",
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "counts/RUNNING": "2",
        "counts/RUNNING:mail": "2",
        f"claimed:{ME}": "1;default:1/a.1/1 default:1/b.1/1 (expires)",
        f"beats/{ME}": "MS",
        "contact": "MS",
        "grace_until": "MS",
        "events/2": f"k=started w={ME} i=a,b y=mail*2 s=default:1*2",
    }


async def test_empty_claim(scene: Scene) -> None:
    """A claim that finds nothing is recorded all the same, and leaves a beat."""
    before = scene.state()
    claimed = await scene.claim()
    assert claimed == Claimed("ok", claimed.now_ms, [], (0, 0, 0, 0), 0, 0)
    assert scene.changes(before) == {
        f"claimed:{ME}": "1; (expires)",
        f"beats/{ME}": "MS",
        "contact": "MS",
        "grace_until": "MS",
    }


async def test_highest_priority_first(scene: Scene) -> None:
    """CRITICAL comes before HIGH before NORMAL before LOW, and within one the oldest first."""
    for name, priority in (("low", 0), ("critical", 3), ("normal", 1), ("high", 2), ("high2", 2)):
        await scene.submit(name, priority=priority)
    claimed = await scene.claim()
    assert scene.named(claimed.claims) == ["critical", "high", "high2", "normal", "low"]
    assert claimed.depths == (0, 0, 0, 0)


async def test_queues_take_turns(scene7: Scene) -> None:
    """Queues of equal priority are begun in turn, so that none starves."""
    for queue in ("one", "two", "three"):
        await scene7.submit(f"{queue}-a", f"{queue}-b", queue=queue)
    first = [scene7.named((await scene7.claim(want=1)).claims)[0] for _ in range(3)]
    assert sorted(first) == ["one-a", "three-a", "two-a"]


async def test_only_its_queues(scene: Scene) -> None:
    """A worker with queues takes nothing of others, and is told of depths of its own only."""
    await scene.submit("a", "b", queue="one")
    await scene.submit("c", queue="two", priority=3)
    claimed = await scene.claim(want=1, queues=("one", "unused"))
    assert scene.named(claimed.claims) == ["a"]
    assert claimed.depths == (0, 1, 0, 0)


@pytest.mark.parametrize("target", ["default", "default:2", "*"])
async def test_paused(scene: Scene, target: str) -> None:
    """A paused queue, priority or everything is left alone, and not counted among the depths."""
    await scene.submit("a", priority=2)
    await scene.submit("b", priority=1, queue="other")
    assert await scene.broker.pause(target)
    claimed = await scene.claim()
    assert scene.named(claimed.claims) == ([] if target == "*" else ["b"])
    assert claimed.depths == (0, 0, 0, 0)
    assert await scene.broker.resume(target)
    assert "a" in scene.named((await scene.claim()).claims)


async def test_promotes_what_is_due(scene: Scene) -> None:
    """What is due becomes ready in the claim, a retry like a scheduled task, and is taken by it."""
    claims = await scene.running("retry")
    await scene.settle(outcome(claims["retry"], "failed", detail=b"+1"))
    await scene.submit("later", delay_s=0.001)
    await scene.submit("much later", delay_s=600)
    await wait_until_async(lambda: _all_due(scene, 2), "both are due")
    before = scene.state()
    claimed = await scene.claim()
    assert sorted(scene.named(claimed.claims)) == ["later", "retry"]
    changed = scene.changes(before)
    assert changed["task:retry/entry"] == "default:1/retry.2"
    assert changed == {
        "scheduled/retry": None,
        "scheduled/later": None,
        "index:FAILED/retry": None,
        "index:FAILED:mail/retry": None,
        "index:SCHEDULED/later": None,
        "index:SCHEDULED:mail/later": None,
        "task:retry/state": None,
        "task:retry/due": None,
        "task:retry/entry": "default:1/retry.2",
        "task:later/state": None,
        "task:later/due": None,
        "task:later/entry": "default:1/later.1",
        "stream:default:1/retry.2": f"retry mail @ {ME} x1",
        "stream:default:1/later.1": f"later mail @ {ME} x1",
        f"stream:default:1>{ME}": "2 pending",
        "counts/FAILED": "0",
        "counts/FAILED:mail": "0",
        "counts/SCHEDULED": "1",
        "counts/SCHEDULED:mail": "1",
        "counts/RUNNING": "2",
        "counts/RUNNING:mail": "2",
        f"claimed:{ME}": changed[f"claimed:{ME}"],
        "events/6": "k=promoted o=retry mail PENDING FAILED;later mail PENDING SCHEDULED",
        "events/7": changed["events/7"],
    }


async def test_promotes_at_most_a_hundred(scene7: Scene) -> None:
    """A claim promotes at most 100, and asks to be woken at once for the rest."""
    await scene7.submit(*(f"t{n}" for n in range(130)), delay_s=0.001)
    await wait_until_async(lambda: _all_due(scene7, 130), "all are due")
    claimed = await scene7.claim(want=200, sleep_s=60)
    assert len(claimed.claims) == 100
    assert claimed.wake_ms == claimed.now_ms + 1
    assert len((await scene7.claim(want=200)).claims) == 30


async def test_handed_back_first(scene: Scene) -> None:
    """What was handed back comes before everything that waits, with its count one higher."""
    await scene.running("a", "b", incarnation=OTHER)
    await scene.submit("c")
    await scene.broker.release(0, OTHER, "drained")
    before = scene.state()
    claimed = await scene.claim(want=2)
    assert scene.named(claimed.claims) == ["a", "b"]
    assert [scene.names.words(claim.token) for claim in claimed.claims] == [
        "default:1/a.1/2",
        "default:1/b.1/2",
    ]
    assert scene.changes(before) == {
        "stream:default:1/a.1": f"a mail @ {ME} x2",
        "stream:default:1/b.1": f"b mail @ {ME} x2",
        f"stream:default:1>{ME}": "2 pending",
        "stream:default:1>returned": "0 pending",
        "ready/default:1": "1",
        "ready/default:1:returned": None,
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "counts/RUNNING": "2",
        "counts/RUNNING:mail": "2",
        f"claimed:{ME}": "1;default:1/a.1/2 default:1/b.1/2 (expires)",
        f"beats/{ME}": "MS",
        "events/5": f"k=started w={ME} i=a,b y=mail*2 s=default:1*2",
    }


async def test_drops_an_entry_whose_hash_is_gone(scene: Scene) -> None:
    """An entry without its hash leaves the stream, and the counters lose an entry and a task."""
    await scene.submit("gone", "a")
    scene.client().delete(scene.key("task:gone"))
    before = scene.state()
    claimed = await scene.claim()
    assert scene.named(claimed.claims) == ["a"]
    changed = scene.changes(before)
    assert changed["stream:default:1/gone.1"] is None
    assert {path: changed[path] for path in changed if path.startswith(("ready", "counts"))} == {
        "ready/default:1": None,
        "counts/PENDING": "0",
        "counts/PENDING:mail": "0",
        "counts/RUNNING": "1",
        "counts/RUNNING:mail": "1",
    }


async def test_drops_an_entry_that_its_hash_does_not_name(scene: Scene) -> None:
    """A second entry of a task leaves the stream, and only `ready` loses one: the task stands elsewhere."""
    await scene.submit("a")
    client = scene.client()
    client.xadd(scene.key("stream:default:1"), {"i": scene.id("a"), "y": "mail"})
    client.hincrby(scene.key("ready"), "default:1", 1)
    claimed = await scene.claim()
    assert scene.named(claimed.claims) == ["a"]
    state = scene.state()
    assert "stream:default:1/a.2" not in state
    assert "ready/default:1" not in state
    assert (state["counts/PENDING"], state["counts/RUNNING"]) == ("0", "1")


async def test_drops_an_entry_of_a_task_that_has_ended(scene: Scene) -> None:
    """An entry whose task has a state is no claim: a task that ended never runs again by it."""
    claims = await scene.ended("completed", "a")
    stream, _, _ = claims["a"].token.decode().split("/")
    client = scene.client()
    # Redis refuses an id it has had; what a failed-over server can bring back is planted on its stream anew.
    client.xadd(scene.key(f"stream:{stream}"), {"i": scene.id("a"), "y": "mail"})
    client.hset(scene.key("task:a"), "entry", f"{stream}/{_last_entry(scene, stream)}")
    client.hincrby(scene.key("ready"), "default:1", 1)
    assert (await scene.claim()).claims == []
    state = scene.state()
    assert "stream:default:1/a.2" not in state
    assert state["counts/COMPLETED"] == "1"
    assert state["counts/RUNNING"] == "0"


async def test_carries_out_a_requested_cancel(scene: Scene) -> None:
    """A task whose cancel was requested and that came back is CANCELLED by the claim that meets it."""
    await scene.running("a", incarnation=OTHER)
    await scene.broker.cancel([scene.id("a")], "not needed")
    await scene.broker.release(0, OTHER, "drained")
    before = scene.state()
    claimed = await scene.claim()
    assert claimed.claims == []
    assert scene.changes(before) == {
        "stream:default:1/a.1": None,
        f"stream:default:1>{ME}": "0 pending",
        "stream:default:1>returned": "0 pending",
        "task:a/state": "CANCELLED",
        "task:a/ended": "MS",
        "task:a/reason": "not needed",
        "task:a/cancel": None,
        "index:CANCELLED/a": "MS",
        "index:CANCELLED:mail/a": "MS",
        "ready/default:1": None,
        "ready/default:1:returned": None,
        "counts/PENDING": "0",
        "counts/PENDING:mail": "0",
        "counts/CANCELLED": "1",
        "counts/CANCELLED:mail": "1",
        "stats/cancelled:mail": "1",
        f"claimed:{ME}": "1; (expires)",
        f"beats/{ME}": "MS",
    }


async def test_lost_ready_counter(scene: Scene) -> None:
    """A lost increment of `ready` hides a task from claims that trust it, and one that does not repairs it."""
    await scene.submit("a", "b")
    scene.client().delete(scene.key("ready"))
    assert (await scene.claim()).claims == []
    claimed = await scene.claim(want=1, ignore_counters=True)
    assert scene.named(claimed.claims) == ["a"]
    assert scene.state()["ready/default:1"] == "1"
    assert scene.named((await scene.claim()).claims) == ["b"]


async def test_lost_returned_counter(scene: Scene) -> None:
    """A lost increment of `:returned` is repaired in the same way."""
    await scene.running("a", "b", incarnation=OTHER)
    await scene.broker.release(0, OTHER, "drained")
    scene.client().hdel(scene.key("ready"), "default:1:returned", "default:1")
    assert (await scene.claim()).claims == []
    claimed = await scene.claim(want=1, ignore_counters=True)
    assert scene.named(claimed.claims) == ["a"]
    state = scene.state()
    assert (state["ready/default:1"], state["ready/default:1:returned"]) == ("1", "1")


@pytest.mark.parametrize(("field", "wrong"), [("default:1", 7), ("default:1:returned", 3)])
async def test_counter_too_high(scene: Scene, field: str, wrong: int) -> None:
    """A counter that is too high costs one look, and is right afterwards."""
    await scene.submit("a")
    scene.client().hset(scene.key("ready"), field, wrong)
    claimed = await scene.claim()
    assert scene.named(claimed.claims) == ["a"]
    assert claimed.depths == (0, 0, 0, 0)


async def test_counter_too_low(scene: Scene) -> None:
    """A counter below what is read is counted anew from the stream, the rest stays claimable."""
    await scene.submit(*"abcde")
    scene.client().hset(scene.key("ready"), "default:1", 1)
    assert scene.named((await scene.claim(want=3)).claims) == list("abc")
    assert scene.state()["ready/default:1"] == "2"


async def test_stops_at_four_mib(scene7: Scene) -> None:
    """A claim reads in slices of 32 and stops after the one that passes 4 MiB."""
    for name in range(40):
        await scene7.submit(f"t{name:02}", spec=b"x" * 200_000)
    claimed = await scene7.claim(want=100)
    assert len(claimed.claims) == 32
    assert claimed.depths == (0, 8, 0, 0)
    assert len((await scene7.claim(want=100)).claims) == 8


async def test_bounded_want(scene7: Scene) -> None:
    """A claim takes at most 256, whatever is asked for."""
    for part in range(2):
        await scene7.broker.submit(0, [submission(scene7.id(f"{part}-{n}")) for n in range(150)])
    assert len((await scene7.claim(want=1000)).claims) == 256


def _all_due(scene: Scene, number: int) -> bool:
    seconds, micros = scene.client().time()
    now = seconds * 1000 + micros // 1000
    due: int = scene.client().zcount(scene.key("scheduled"), "-inf", now - 1)
    return due == number


def _last_entry(scene: Scene, stream: str) -> str:
    ((entry, _),) = scene.client().xrevrange(scene.key(f"stream:{stream}"), count=1)
    return str(entry.decode())
