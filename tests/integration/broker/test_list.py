"""list_tasks, counts and queues: what a page of a dashboard reads."""

from shoal.broker.results import QueueDepth
from shoal.model.transitions import State
from tests.support.builders import ME, Scene, outcome


async def listed(scene: Scene, state: State, **options: object) -> list[str]:
    """The names of listed tasks, in order."""
    page = await scene.broker.list_tasks(state, **options)  # type: ignore[arg-type]
    return [scene.names.name(row.id) for row in page.rows]


async def test_indexed_states(scene: Scene) -> None:
    """SCHEDULED, FAILED, CANCELLED and DEAD list from their indexes, by type too."""
    for word in ("failed", "dead", "cancelled"):
        await scene.ended(word, word, type="report")
        await scene.ended(word, f"{word} 2")
    await scene.submit("scheduled", delay_s=60)
    assert await listed(scene, State.SCHEDULED) == ["scheduled"]
    for state in (State.FAILED, State.DEAD, State.CANCELLED):
        word = state.value.lower()
        assert sorted(await listed(scene, state)) == [word, f"{word} 2"]
        assert await listed(scene, state, type="report") == [word]
        assert await listed(scene, state, type="other") == []


async def test_completed_newest_first(scene: Scene) -> None:
    """COMPLETED lists the journal backwards: the last settled first; offset and limit cut the page."""
    names = [f"t{n}" for n in range(5)]
    for name in names:
        await scene.ended("completed", name)
    assert await listed(scene, State.COMPLETED) == names[::-1]
    assert await listed(scene, State.COMPLETED, limit=2) == ["t4", "t3"]
    assert await listed(scene, State.COMPLETED, limit=2, offset=3) == ["t1", "t0"]
    assert await listed(scene, State.COMPLETED, type="mail", limit=1) == ["t4"]


async def test_completed_skips_what_is_gone(scene: Scene) -> None:
    """An id of the journal whose hash is gone is skipped, and does not shorten the page."""
    claims = await scene.running("a", "b", "c")
    await scene.settle(*(outcome(claims[name]) for name in "abc"))
    scene.client().delete(scene.key("task:b"))
    assert await listed(scene, State.COMPLETED, limit=2) == ["c", "a"]
    scene.client().hset(scene.key("counts"), mapping={"COMPLETED": 2, "COMPLETED:mail": 2})


async def test_pages_of_equal_times(scene: Scene) -> None:
    """Pages by offset hold each task once, also when all ended in the same call."""
    names = [f"t{n:03}" for n in range(150)]
    claims = await scene.running(*names)
    await scene.settle(*(outcome(claim) for claim in claims.values()))
    pages = [await listed(scene, State.COMPLETED, limit=20, offset=at) for at in range(0, 160, 20)]
    assert sorted(name for page in pages for name in page) == names


async def test_pending_and_running(scene: Scene) -> None:
    """PENDING and RUNNING are derived from the streams: what is handed back is PENDING."""
    claims = await scene.running("running", "returned")
    await scene.settle(outcome(claims["returned"], "returned"))
    await scene.submit("pending", type="report", queue="other", priority=3)
    assert await listed(scene, State.RUNNING) == ["running"]
    assert sorted(await listed(scene, State.PENDING)) == ["pending", "returned"]
    assert await listed(scene, State.PENDING, type="report") == ["pending"]


async def test_counts(scene: Scene) -> None:
    """Counts are exact, by state and type; every state is named in the sums."""
    await scene.running("a", "b")
    await scene.ended("dead", "c", type="report")
    await scene.submit("d", delay_s=60)
    assert await scene.broker.counts() == {
        ("RUNNING", "mail"): 2,
        ("DEAD", "report"): 1,
        ("SCHEDULED", "mail"): 1,
    }
    assert await scene.broker.counts_by_state() == {
        "PENDING": 0, "SCHEDULED": 1, "RUNNING": 2, "COMPLETED": 0, "FAILED": 0, "CANCELLED": 0,
        "DEAD": 1,
    }  # fmt: skip
    stats = await scene.broker.stats()
    assert (stats["submitted:mail"], stats["dead:report"], stats["types"]) == (3, 1, 2)


async def test_queues(scene: Scene) -> None:
    """Every queue lists its priorities with ready, returned and paused."""
    await scene.running("a")
    await scene.broker.release(0, ME, "drained")
    await scene.submit("b")
    await scene.broker.pause("default:1")
    rows = await scene.broker.queues()
    assert rows == [
        QueueDepth("default", 3, ready=0, returned=0, isolated=0, paused=False),
        QueueDepth("default", 2, ready=0, returned=0, isolated=0, paused=False),
        QueueDepth("default", 1, ready=2, returned=1, isolated=0, paused=True),
        QueueDepth("default", 0, ready=0, returned=0, isolated=0, paused=False),
    ]


async def test_depths(scene: Scene) -> None:
    """Depths by priority for a worker's queues, without what is paused; `due` counts what could run now."""
    await scene.submit("a", "b", priority=3)
    await scene.submit("c", queue="other", priority=0)
    assert await scene.broker.depths() == [(1, 0, 0, 2)]
    assert await scene.broker.depths(["other"]) == [(1, 0, 0, 0)]
    await scene.broker.pause("default:3")
    assert await scene.broker.depths() == [(1, 0, 0, 0)]
    assert await scene.broker.due() == 1


async def test_depths_tell_what_was_handed_back(scene: Scene) -> None:
    """It is a part of the depth, and of what a worker of these queues may take."""
    await scene.running("a", "b")
    await scene.submit("c")
    await scene.broker.release(0, ME, "killed")
    calls = scene.broker.calls
    assert (await scene.broker.run(calls.depths(0)))[1:] == ((0, 3, 0, 0), 0, 2, -1)
    assert (await scene.broker.run(calls.depths(0, ["other"])))[1:] == ((0, 0, 0, 0), 0, 0, -1)
    await scene.broker.pause("default")
    assert (await scene.broker.run(calls.depths(0)))[1:] == ((0, 0, 0, 0), 0, 0, -1)
