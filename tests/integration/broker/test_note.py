"""note: what handlers report is written to the task that the token holds, and to no other."""

import json

import pytest

from shoal.broker.results import Claim, NoteItem
from shoal.errors import BrokerError
from tests.support.builders import ME, OTHER, Scene, outcome


def note(claim: Claim, progress: str = "", first: int = 1, *lines: str) -> NoteItem:
    """A report of a run."""
    text = "".join(f"{line}\n" for line in lines).encode()
    return NoteItem(claim.token, claim.id, claim.type, progress.encode(), 0.5, first, text)


async def say(scene: Scene, *items: NoteItem, incarnation: str = ME) -> list[int]:
    """Send reports; the places of those that were refused."""
    return await scene.broker.note(0, incarnation, items)


async def test_progress_and_lines_are_kept_with_the_task(scene: Scene) -> None:
    """And one event tells of the progress, without its text."""
    claims = await scene.running("a", "b")
    before = scene.state()
    items = [note(claims["a"], '{"fraction":0.5}', 1, "one", "two"), note(claims["b"], "", 1, "x")]
    assert await say(scene, *items) == []
    after = scene.changes(before)
    assert {path: text for path, text in after.items() if path.startswith("task:")} == {
        "task:a/progress": '{"fraction":0.5}',
        "task:a/log": "one;two;",
        "task:a/logged": "default:1/a.1/1 2",
        "task:b/log": "x;",
        "task:b/logged": "default:1/b.1/1 1",
    }
    (_, event) = scene.client().xrevrange(scene.key("events"), count=1)[0]
    assert event == {
        b"k": b"progress",
        b"w": ME.encode(),
        b"o": f"{scene.id('a')} mail progress 0.5".encode(),
    }


async def test_a_repeated_call_adds_no_line_twice(scene: Scene) -> None:
    """Whole, or overlapping with what is kept already; a new run counts its lines anew."""
    claims = await scene.running("a")
    first = note(claims["a"], "", 1, "1", "2", "3")
    for item in (first, first, note(claims["a"], "", 3, "3", "4"), note(claims["a"], "", 1, "1")):
        assert await say(scene, item) == []
    assert scene.state()["task:a/log"] == "1;2;3;4;"
    await scene.settle(outcome(claims["a"], "returned"))
    (again,) = (await scene.claim()).claims
    assert await say(scene, note(again, "", 1, "5")) == []
    assert scene.state()["task:a/log"] == "1;2;3;4;5;"
    assert scene.state()["task:a/logged"] == "default:1/a.1/2 1"


async def test_what_no_longer_holds_is_refused_and_makes_no_hash(scene: Scene) -> None:
    """Ended, handed back, another's, or gone: nothing is written; what holds beside them is."""
    claims = await scene.running("ended", "returned", "gone", "kept")
    await scene.settle(outcome(claims["ended"]), outcome(claims["returned"], "returned"))
    scene.client().delete(scene.key("task:gone"))
    before = scene.state()
    items = [note(claim, "{}", 1, "x") for claim in claims.values()]
    refused = await say(scene, *items)
    assert sorted(list(claims)[k] for k in refused) == ["ended", "gone", "returned"]
    assert await say(scene, note(claims["kept"], "{}"), incarnation=OTHER) == [0]
    changed = {path.partition("/")[0] for path in scene.changes(before)}
    assert {name for name in changed if name.startswith("task:")} == {"task:kept"}
    scene.leaves_faults = True


async def test_a_log_is_bounded_by_lines_and_bytes(scene7: Scene) -> None:
    """The last 100 lines, and of long ones the last 16 KiB; always whole lines."""
    claims = await scene7.running("many", "long")
    for at in range(0, 150, 50):
        await say(scene7, note(claims["many"], "", at + 1, *map(str, range(at, at + 50))))
    kept = scene7.client().hget(scene7.key("task:many"), "log").decode().splitlines()
    assert kept == [str(n) for n in range(50, 150)]
    await say(scene7, note(claims["long"], "", 1, *(json.dumps("x" * 1000) for _ in range(30))))
    log = scene7.client().hget(scene7.key("task:long"), "log")
    assert len(log) <= 16_384
    assert set(log.splitlines()) == {json.dumps("x" * 1000).encode()}
    assert len(log.splitlines()) == 16


async def test_a_malformed_item_refuses_the_whole_call(scene7: Scene) -> None:
    """Before anything is written."""
    claims = await scene7.running("a")
    before = scene7.state()
    bad = note(claims["a"], "{}")._replace(token=b"nonsense")
    with pytest.raises(BrokerError, match="item 2"):
        await say(scene7, note(claims["a"], "{}"), bad)
    assert scene7.changes(before) == {}
