"""settle: every outcome, from the whole state before to the whole state after."""

from typing import Any

import pytest

from shoal.broker.keys import unique_digest
from shoal.errors import BrokerError
from shoal.model.attempt import count_attempts, parse_history
from tests.support.builders import ME, Scene, outcome

TAIL = "MS|500"


def line(kind: str, token: str, word: str) -> str:
    """A history line as a snapshot shows it."""
    return f"{kind}|{token}|{ME}|{TAIL}|{word}|;"


async def test_completed(scene: Scene) -> None:
    """COMPLETED: result and line in the hash, the journals, the counters; the entry is gone."""
    claims = await scene.running("a", "b")
    before = scene.state()
    assert await scene.settle(outcome(claims["a"])) == ["ok"]
    assert scene.changes(before) == {
        "task:a/state": "COMPLETED",
        "task:a/result": "42",
        "task:a/history": line("run", "default:1/a.1/1", "completed"),
        "done/1": "i=a y=mail",
        "done:mail/1": "i=a",
        "counts/RUNNING": "1",
        "counts/RUNNING:mail": "1",
        "counts/COMPLETED": "1",
        "counts/COMPLETED:mail": "1",
        "stats/completed:mail": "1",
        "stats/settled/default:1": "1",
        "events/3": f"k=settled w={ME} j=MS-0",
        "stream:default:1/a.1": None,
        f"stream:default:1>{ME}": "1 pending",
    }


async def test_completed_without_a_result(scene7: Scene) -> None:
    """An empty result is not written."""
    claims = await scene7.running("a")
    await scene7.settle(outcome(claims["a"], body=b""))
    assert "task:a/result" not in scene7.state()


async def test_many_types_in_one_entry(scene: Scene) -> None:
    """Ids of one call are journaled together, grouped by type, at most 100 in an entry."""
    for number in range(240):
        await scene.submit(f"t{number:03}", type="mail" if number % 2 else "report")
    claimed = await scene.claim(want=240)
    await scene.settle(*(outcome(claim) for claim in claimed.claims))
    state = scene.state()
    entries = [state[f"done/{number}"] for number in (1, 2, 3)]
    assert [entry.rpartition("y=")[2] for entry in entries] == [
        "report*100", "report*20 mail*80", "mail*40",
    ]  # fmt: skip
    assert "done/4" not in state
    assert [path for path in state if path.startswith("done:")] == [
        "done:mail/2", "done:mail/3", "done:report/1", "done:report/2",
    ]  # fmt: skip


async def test_failed(scene: Scene) -> None:
    """FAILED: the error, the due time of the retry, its place in the index and the schedule."""
    claims = await scene.running("a")
    before = scene.state()
    assert await scene.settle(outcome(claims["a"], "failed")) == ["ok"]
    assert scene.changes(before) == {
        "task:a/state": "FAILED",
        "task:a/due": "MS",
        "task:a/error": '{"error":1}',
        "task:a/history": line("run", "default:1/a.1/1", "failed"),
        "index:FAILED/a": "MS",
        "index:FAILED:mail/a": "MS",
        "scheduled/a": "MS",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "counts/FAILED": "1",
        "counts/FAILED:mail": "1",
        "stats/retried:mail": "1",
        "stats/settled/default:1": "1",
        "events/3": f"k=settled w={ME} o=a mail FAILED +60000",
        "stream:default:1/a.1": None,
        f"stream:default:1>{ME}": "0 pending",
    }
    seconds, _ = scene.client().time()
    ((_, due),) = scene.client().zrange(scene.key("scheduled"), 0, -1, withscores=True)
    assert abs(due / 1000 - (seconds + 60)) < 3


async def test_dead(scene: Scene) -> None:
    """DEAD: reason, error and fingerprint; the index by fingerprint has it too."""
    claims = await scene.running("a")
    before = scene.state()
    assert await scene.settle(
        outcome(claims["a"], "dead", detail=b"retries_exhausted:ValueError@mail")
    ) == ["ok"]
    assert scene.changes(before) == {
        "task:a/state": "DEAD",
        "task:a/ended": "MS",
        "task:a/reason": "retries_exhausted",
        "task:a/fingerprint": "ValueError@mail",
        "task:a/error": '{"error":1}',
        "task:a/history": line("run", "default:1/a.1/1", "dead"),
        "index:DEAD/a": "MS",
        "index:DEAD:mail/a": "MS",
        "fingerprint:ValueError@mail/a": "MS",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "counts/DEAD": "1",
        "counts/DEAD:mail": "1",
        "stats/dead:mail": "1",
        "stats/settled/default:1": "1",
        "events/3": f"k=settled w={ME} o=a mail DEAD retries_exhausted:ValueError@mail",
        "stream:default:1/a.1": None,
        f"stream:default:1>{ME}": "0 pending",
    }


async def test_cancelled(scene: Scene) -> None:
    """CANCELLED by its worker: reason and line, the index, no schedule."""
    claims = await scene.running("a")
    before = scene.state()
    assert await scene.settle(outcome(claims["a"], "cancelled")) == ["ok"]
    assert scene.changes(before) == {
        "task:a/state": "CANCELLED",
        "task:a/ended": "MS",
        "task:a/reason": "requested",
        "task:a/history": line("run", "default:1/a.1/1", "cancelled"),
        "index:CANCELLED/a": "MS",
        "index:CANCELLED:mail/a": "MS",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "counts/CANCELLED": "1",
        "counts/CANCELLED:mail": "1",
        "stats/cancelled:mail": "1",
        "stats/settled/default:1": "1",
        "events/3": f"k=settled w={ME} o=a mail CANCELLED requested",
        "stream:default:1/a.1": None,
        f"stream:default:1>{ME}": "0 pending",
    }


async def test_returned(scene: Scene) -> None:
    """Returned: the entry stays, handed back before all others with its count; no attempt is used."""
    claims = await scene.running("a")
    before = scene.state()
    assert await scene.settle(outcome(claims["a"], "returned")) == ["ok"]
    assert scene.changes(before) == {
        "task:a/history": line("interrupted", "default:1/a.1/1", "returned"),
        "stream:default:1/a.1": "a mail @ returned x1",
        f"stream:default:1>{ME}": "0 pending",
        "stream:default:1>returned": "1 pending",
        "ready/default:1": "1",
        "ready/default:1:returned": "1",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "counts/PENDING": "1",
        "counts/PENDING:mail": "1",
        "events/3": f"k=settled w={ME} o=a mail returned drained",
    }
    history = scene.client().hget(scene.key("task:a"), "history")
    assert count_attempts(history) == 0


async def test_deferred(scene: Scene) -> None:
    """Deferred: SCHEDULED with the time since when no handler is known; no attempt is used."""
    claims = await scene.running("a")
    before = scene.state()
    assert await scene.settle(outcome(claims["a"], "deferred")) == ["ok"]
    assert scene.changes(before) == {
        "task:a/state": "SCHEDULED",
        "task:a/due": "MS",
        "task:a/no_handler_since": "MS",
        "task:a/history": line("interrupted", "default:1/a.1/1", "deferred"),
        "index:SCHEDULED/a": "MS",
        "index:SCHEDULED:mail/a": "MS",
        "scheduled/a": "MS",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
        "counts/SCHEDULED": "1",
        "counts/SCHEDULED:mail": "1",
        "stats/settled/default:1": "1",
        "stats/deferred:mail": "1",
        "events/3": f"k=settled w={ME} o=a mail SCHEDULED +30000",
        "stream:default:1/a.1": None,
        f"stream:default:1>{ME}": "0 pending",
    }
    history = scene.client().hget(scene.key("task:a"), "history")
    assert count_attempts(history) == 0


@pytest.mark.parametrize("word", ["failed", "deferred"])
async def test_requested_cancel_beats_a_retry(scene: Scene, word: str) -> None:
    """A task whose cancel is requested and that would run again becomes CANCELLED."""
    claims = await scene.running("a", unique_key="k")
    await scene.broker.cancel([scene.id("a")], "by a person")
    assert await scene.settle(outcome(claims["a"], word)) == ["ok"]  # type: ignore[arg-type]
    state = scene.state()
    assert (state["task:a/state"], state["task:a/reason"]) == ("CANCELLED", "by a person")
    assert "task:a/cancel" not in state
    assert not [path for path in state if path.startswith(("scheduled", "index:FAILED", "unique"))]
    assert state["index:CANCELLED/a"] == "MS"


@pytest.mark.parametrize(("word", "becomes"), [("completed", "COMPLETED"), ("dead", "DEAD")])
async def test_an_end_beats_a_requested_cancel(scene: Scene, word: str, becomes: str) -> None:
    """A task that ended before it heard of its cancel has ended as it did."""
    claims = await scene.running("a")
    await scene.broker.cancel([scene.id("a")], "by a person")
    assert await scene.settle(outcome(claims["a"], word)) == ["ok"]  # type: ignore[arg-type]
    state = scene.state()
    assert state["task:a/state"] == becomes
    assert "task:a/cancel" not in state


async def test_second_attempt(scene: Scene) -> None:
    """Lines gather: the second attempt follows the first, and the result follows the error."""
    claims = await scene.running("a")
    await scene.settle(outcome(claims["a"], "failed", detail=b"+0", error="no luck"))
    (claim,) = (await scene.claim()).claims
    assert claim.history is not None
    assert count_attempts(claim.history) == 1
    await scene.settle(outcome(claim))
    history = scene.client().hget(scene.key("task:a"), "history")
    lines = parse_history(history)
    assert [(one.outcome, one.error) for one in lines] == [
        ("failed", "no luck"),
        ("completed", ""),
    ]
    assert count_attempts(history) == 2


async def test_frees_the_unique_key_only_of_its_holder(scene7: Scene) -> None:
    """An end frees its unique key, unless another task holds it by now."""
    claims = await scene7.running("a", unique_key="k")
    key = f"unique:{unique_digest('k')}"
    scene7.client().set(scene7.key(key), scene7.id("other"))
    await scene7.settle(outcome(claims["a"]))
    assert scene7.state()[key] == "other"
    scene7.client().delete(scene7.key(key))


async def test_history_is_bounded(scene7: Scene) -> None:
    """A history has at most 100 lines; the oldest interruptions go first, attempts stay."""
    claims = await scene7.running("a")
    await scene7.settle(outcome(claims["a"], "failed", detail=b"+0"))
    for _ in range(110):
        (claim,) = (await scene7.claim()).claims
        await scene7.settle(outcome(claim, "returned"))
    lines = parse_history(scene7.client().hget(scene7.key("task:a"), "history"))
    assert len(lines) == 100
    assert lines[0].kind == "run"
    assert [one.token.rpartition("/")[2] for one in lines[1:3]] == ["12", "13"]


async def test_slices_of_a_heavy_batch(scene7: Scene) -> None:
    """Outcomes too many or too heavy for a call are cut into slices that each fit."""
    names = [f"t{number}" for number in range(200)]
    claims = list((await scene7.running(*names)).values())
    outcomes = [outcome(claim, body=b"1" * 50_000) for claim in claims]
    parts = scene7.broker.settle_slices(outcomes)
    assert len(parts) > 1
    assert all(sum(len(one.body) for one in part) <= 4 * 1024**2 for part in parts)
    for part in parts:
        assert set(await scene7.settle(*part)) == {"ok"}


@pytest.mark.parametrize(
    "change",
    [
        {"detail": b"+soon", "outcome": "failed"},
        {"detail": b"", "outcome": "deferred"},
        {"outcome": "finished"},
        {"token": b"default:1"},
    ],
)
async def test_a_malformed_outcome_refuses_the_whole_call(
    scene: Scene, change: dict[str, Any]
) -> None:
    """Nothing of the call is written, the good outcomes beside it neither: each can be settled after."""
    claims = await scene.running("a", "b")
    before = scene.state()
    bad = outcome(claims["b"])._replace(**change)
    with pytest.raises(BrokerError, match="of outcome 2 is not valid"):
        await scene.settle(outcome(claims["a"]), bad)
    assert scene.changes(before) == {}
    assert await scene.settle(outcome(claims["a"]), outcome(claims["b"])) == ["ok", "ok"]
