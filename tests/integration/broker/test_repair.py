"""`verify --repair` mends each fault that has one right answer, and names what has none."""

import pytest

from shoal.broker.keys import unique_digest
from shoal.broker.repair import repair
from shoal.broker.repair_advice import LEFT, MENDED, is_mended
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from tests.integration.broker import test_verify, test_verify_dependencies
from tests.integration.broker.test_verify import Fault, entry_of, populate
from tests.integration.broker.test_verify_dependencies import woven
from tests.support.builders import ME, OTHER, Scene, outcome
from tests.support.notices import deliver

__all__ = ["woven"]

FAULTS = [row for row in test_verify.FAULTS if is_mended(row[2])]
#: Two places name different types, or the key is none of ours: people must decide.
LEFT_FAULTS = [row for row in test_verify.FAULTS if not is_mended(row[2])]
WOVEN_FAULTS = [
    row
    for row in test_verify_dependencies.FAULTS
    if is_mended(row[2]) and row[0] != "waits for no id"
]


def named(rows: list[tuple[str, Fault, Code]]) -> list[str]:
    """Ids for parametrized tests."""
    return [row[0].replace(" ", "-") for row in rows]


def test_every_finding_has_an_answer() -> None:
    """Each code is either mended or left, and says what is done or what to do."""
    assert MENDED.keys() | LEFT.keys() == set(Code)
    assert not MENDED.keys() & LEFT.keys()


@pytest.mark.parametrize(("plant", "code"), [row[1:] for row in FAULTS], ids=named(FAULTS))
async def test_planted_fault_is_mended(scene7: Scene, plant: Fault, code: Code) -> None:
    """The fault is named as mended, a dry run changed nothing, and afterwards `verify` finds nothing."""
    await populate(scene7)
    plant(scene7)
    before = scene7.state()
    dry = await repair(scene7.broker, dry_run=True)
    assert code in {finding.code for finding in dry.mended}
    assert scene7.changes(before) == {}
    done = await repair(scene7.broker)
    assert done.ok, done.lines()
    assert code in {finding.code for finding in done.mended}, done.lines()
    report = await verify(scene7.broker)
    assert report.ok, report.lines()
    before = scene7.state()
    again = await repair(scene7.broker)
    assert (again.ok, again.mended) == (True, [])
    assert scene7.changes(before) == {}


@pytest.mark.parametrize(
    ("plant", "code"), [row[1:] for row in LEFT_FAULTS], ids=named(LEFT_FAULTS)
)
async def test_fault_without_one_answer_is_left(scene7: Scene, plant: Fault, code: Code) -> None:
    """It stands as it was, and the report says what to do."""
    await populate(scene7)
    plant(scene7)
    done = await repair(scene7.broker)
    assert not done.ok
    left = [finding for finding in done.left if finding.code is code]
    assert left
    assert any(LEFT[code] in line for line in done.lines())
    assert left[0].key in str(done.as_dict()["left"])
    scene7.leaves_faults = True
    scene7.client().delete(*(scene7.key(name) for name in ("left_behind", "task-x")))


@pytest.mark.parametrize(
    ("plant", "code"), [row[1:] for row in WOVEN_FAULTS], ids=named(WOVEN_FAULTS)
)
async def test_planted_fault_between_tasks_is_mended(
    woven: Scene,
    plant: Fault,
    code: Code,
) -> None:
    """Whoever waits is told in the end, and nothing is found then."""
    plant(woven)
    done = await repair(woven.broker)
    assert code in {finding.code for finding in done.mended}, done.lines()
    await deliver(woven)
    report = await verify(woven.broker)
    assert report.ok, report.lines()


async def test_task_that_waits_for_no_task_is_left(
    woven: Scene,
) -> None:
    """Nobody can say what it waited for: it is named, with what to do."""
    key = woven.key(f"waiting:{woven.id('child')}")
    woven.client().sadd(key, "x")
    done = await repair(woven.broker)
    assert [finding.code for finding in done.left] == [Code.WAITING_LOST]
    assert "cancel it and submit it again" in done.lines()[0]
    woven.client().srem(key, "x")


async def test_lost_entry_is_run_again(scene7: Scene) -> None:
    """A task without its entry gets a new one; an outcome of its old one is refused."""
    claims = await scene7.running("a")
    key, entry = entry_of(scene7, "a")
    scene7.client().xdel(key, entry)
    assert (await repair(scene7.broker)).ok
    assert await scene7.settle(outcome(claims["a"])) == ["stale"]
    again = await scene7.claim(OTHER)
    assert scene7.named(again.claims) == ["a"]
    assert await scene7.settle(outcome(again.claims[0]), incarnation=OTHER) == ["ok"]


async def test_task_that_names_a_lost_entry_takes_the_one_that_stands(scene7: Scene) -> None:
    """When the hash is wrong and the entry is right, the entry keeps its place."""
    await scene7.submit("a", "b")
    place = scene7.client().hget(scene7.key("task:a"), "entry")
    scene7.client().hset(scene7.key("task:a"), "entry", "default:1/1-1")
    assert (await repair(scene7.broker)).ok
    assert scene7.client().hget(scene7.key("task:a"), "entry") == place
    assert scene7.named((await scene7.claim()).claims) == ["a", "b"]


async def test_running_tasks_stay_with_their_workers(scene7: Scene) -> None:
    """A repair beside live workers leaves alone what is right."""
    claims = await scene7.running("a", "b", unique_key=None)
    scene7.client().hincrby(scene7.key("ready"), "default:1", 3)
    scene7.client().hincrby(scene7.key("counts"), "RUNNING", 3)
    before = scene7.state()
    assert (await repair(scene7.broker)).ok
    assert scene7.changes(before) == {"counts/RUNNING": "2", "ready/default:1": None}
    statuses = await scene7.settle(*(outcome(claim) for claim in claims.values()))
    assert statuses == ["ok", "ok"]


async def test_unique_key_of_another_is_left(scene7: Scene) -> None:
    """A task whose unique key another holds by right does not take it, and is named."""
    await scene7.submit("a", unique_key="k")
    await scene7.submit("b")
    scene7.client().hset(scene7.key("task:b"), "unique", unique_digest("k"))
    done = await repair(scene7.broker)
    assert [(f.code, f.ids) for f in done.left] == [(Code.UNIQUE_NOT_HELD, (scene7.id("b"),))]
    held = scene7.client().get(scene7.key(test_verify.unique("k")))
    assert held.decode() == scene7.id("a")
    scene7.client().hdel(scene7.key("task:b"), "unique")


async def test_consumer_with_tasks_is_recovered_later(scene7: Scene) -> None:
    """A worker that nobody knows keeps its tasks for a lease, and loses them if it is silent then."""
    claims = await scene7.running("a")
    scene7.client().zrem(scene7.key("beats"), ME)
    assert (await repair(scene7.broker)).ok
    scene7.silence(ME, 60_000)
    scene7.age(claims["a"], idle_ms=60_000)
    recovered = await scene7.broker.run(scene7.broker.calls.recover(0, OTHER))
    assert recovered.recovered == 1
