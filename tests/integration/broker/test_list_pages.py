"""Pages of tasks: full, and exact while others move, for every state and on every server."""

from typing import Any

from shoal.broker.pages import Place, TaskPage
from shoal.model.transitions import State
from tests.support.builders import OTHER, Scene, outcome


async def page(
    scene: Scene, *states: State, after: Place | None = None, limit: int = 3, **options: str
) -> TaskPage:
    """One page; its place has been through a client's hands."""
    got = await scene.broker.list_tasks(*states, after=after, limit=limit, type=options.get("type"))
    return got._replace(next=got.next and Place.parse(str(got.next)))


def named(scene: Scene, got: TaskPage) -> list[str]:
    """The names of the page's tasks."""
    return [scene.names.name(row.id) for row in got.rows]


async def walk(scene: Scene, *states: State, limit: int = 3, **options: str) -> list[str]:
    """All pages one after the other; each but the last is full, and the last is not empty."""
    seen: list[str] = []
    after = None
    while True:
        got = await page(scene, *states, after=after, limit=limit, **options)
        seen += named(scene, got)
        if got.next is None:
            assert got.rows or not seen
            return seen
        assert len(got.rows) == limit
        after = got.next


async def test_every_state_in_pages(scene: Scene) -> None:
    """Tasks of one call, one millisecond and one journal entry, some of another type: each once, in any length."""
    names = {state: [f"{state} {n}" for n in range(8)] for state in State}
    for state in (State.COMPLETED, State.FAILED, State.DEAD, State.CANCELLED):
        claims = await scene.running(*names[state][:5])
        claims |= await scene.running(*names[state][5:], type="report", priority=2)
        word: Any = state.value.lower()
        await scene.settle(*(outcome(claim, word) for claim in claims.values()))
    await scene.submit(*names[State.SCHEDULED][:5], delay_s=60)
    await scene.submit(*names[State.SCHEDULED][5:], delay_s=60, type="report")
    await scene.running(*names[State.RUNNING][:5])
    await scene.running(*names[State.RUNNING][5:], type="report", queue="other", incarnation=OTHER)
    await scene.submit(*names[State.PENDING][:5])
    await scene.submit(*names[State.PENDING][5:], type="report", queue="other", priority=3)
    for state in State:
        whole = await walk(scene, state, limit=100)
        assert sorted(whole) == names[state]
        for limit in (1, 3, 4):
            assert await walk(scene, state, limit=limit) == whole
        assert sorted(await walk(scene, state, type="report", limit=2)) == names[state][5:]
    everything = await walk(scene, limit=100)
    assert sorted(everything) == sorted(name for of in names.values() for name in of)
    assert await walk(scene, limit=7) == everything


async def test_completed_while_others_are_pruned(scene: Scene) -> None:
    """The task at whose place a page ended is gone, and newer ones have come: the next page begins behind it."""
    await scene.ended("completed", *"abcdefgh")
    whole = await walk(scene, State.COMPLETED, limit=100)
    first = await page(scene, State.COMPLETED)
    client = scene.client()
    client.delete(scene.key(f"task:{whole[2]}"), scene.key(f"task:{whole[4]}"))
    client.hset(scene.key("counts"), mapping={"COMPLETED": 6, "COMPLETED:mail": 6})
    await scene.ended("completed", "new")
    second = await page(scene, State.COMPLETED, after=first.next)
    assert named(scene, second) == [whole[3], whole[5], whole[6]]
    assert named(scene, await page(scene, State.COMPLETED, after=second.next)) == [whole[7]]


async def test_an_index_while_others_move(scene: Scene) -> None:
    """Tasks of one millisecond: those at and behind a page's end are requeued, others die."""
    await scene.ended("dead", *"abcdefgh")
    whole = await walk(scene, State.DEAD, limit=100)
    first = await page(scene, State.DEAD)
    assert named(scene, first) == whole[:3]
    moved = [scene.id(name) for name in (whole[0], whole[2], whole[4])]
    await scene.broker.requeue(moved, "op")
    await scene.ended("dead", "new", priority=3)
    second = await page(scene, State.DEAD, after=first.next)
    assert named(scene, second) == [whole[3], whole[5], whole[6]]
    assert named(scene, await page(scene, State.DEAD, after=second.next)) == [whole[7]]


async def test_waiting_tasks_while_others_are_claimed(scene: Scene) -> None:
    """What runs does not shorten a page; a task that is handed back has kept its place."""
    names = [f"t{n:02}" for n in range(12)]
    for name in names:
        await scene.submit(name, priority=int(name[1:]) % 2)
    # Newest first; those of one millisecond, in streams of their own, in the order of these.
    whole = await walk(scene, State.PENDING, limit=100)
    assert sorted(whole) == names
    first = await page(scene, State.PENDING)
    assert named(scene, first) == whole[:3]
    claims = {scene.names.name(one.id): one for one in (await scene.claim(want=8)).claims}
    left = [name for name in whole if name not in claims]
    assert await walk(scene, State.PENDING, limit=2) == left
    assert await walk(scene, State.RUNNING, limit=3) == [name for name in whole if name in claims]
    back = claims.pop(min(claims))
    await scene.settle(outcome(back, "returned"))
    waiting = [name for name in whole if name not in claims]
    assert await walk(scene, State.PENDING, limit=2) == waiting
    # A renewal moves nothing.
    both = await walk(scene, limit=100)
    assert sorted(both) == names
    first = await page(scene, limit=5)
    await scene.renew(*claims.values())
    second = await page(scene, after=first.next, limit=7)
    assert named(scene, first) + named(scene, second) == both
    assert second.next is None


async def test_a_long_search_goes_on(scene7: Scene) -> None:
    """A few of one type among 6,000 of another: found, though each call looks at a part only."""
    few = ["old", "new"]
    await scene7.submit("old", type="report")
    for start in range(0, 6000, 250):
        await scene7.submit(*(f"m{n}" for n in range(start, start + 250)))
    await scene7.submit("new", type="report")
    calls = scene7.broker.calls
    part = await scene7.broker.run(calls.list_tasks(0, State.PENDING, "report", None, 10))
    assert [scene7.names.name(row.id) for row in part.rows] == ["new"]
    assert part.stopped is not None
    assert await walk(scene7, State.PENDING, type="report", limit=10) == few[::-1]
    none = await scene7.broker.run(calls.list_tasks(0, State.PENDING, "other", None, 10))
    assert none == ([], None)


async def test_an_entry_that_is_no_task_any_more(scene: Scene) -> None:
    """An orphan entry is left out, and does not shorten the page."""
    await scene.submit(*"abcd")
    client = scene.client()
    client.xadd(scene.key("stream:default:1"), {"i": scene.id("a"), "y": "mail"})
    client.xadd(scene.key("stream:default:1"), {"i": scene.id("none"), "y": "mail"})
    scene.leaves_faults = True
    assert await walk(scene, State.PENDING, limit=2) == ["d", "c", "b", "a"]


async def test_pages_over_partitions(cluster_scene: Scene) -> None:
    """Merged over 16 partitions on three masters, each task once."""
    for n in range(16):
        claims = await cluster_scene.running(f"dead {n}", f"dead too {n}", partition=n)
        outcomes = [outcome(claim, "dead") for claim in claims.values()]
        await cluster_scene.settle(*outcomes, partition=n)
        await cluster_scene.submit(f"waits {n}", partition=n)
    dead = await walk(cluster_scene, State.DEAD, limit=5)
    assert len(dead) == len(set(dead)) == 32
    everything = await walk(cluster_scene, limit=7)
    assert len(everything) == len(set(everything)) == 48
    assert everything == await walk(cluster_scene, limit=100)
