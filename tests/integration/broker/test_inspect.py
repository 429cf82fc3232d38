"""inspect: the state of a task, derived at one instant."""

import asyncio

import pytest

from shoal.errors import TaskNotFound
from tests.support.builders import ME, SPEC, Scene, outcome


async def test_every_state(scene: Scene) -> None:
    """Each state reads as what it is, in the order of the ids; nobody's id reads as nothing."""
    for word in ("completed", "failed", "dead", "cancelled", "deferred"):
        await scene.ended(word, word)
    await scene.submit("scheduled", delay_s=60)
    await scene.submit("pending")
    names = [
        "completed", "failed", "dead", "cancelled", "deferred", "scheduled", "pending", "unknown",
    ]  # fmt: skip
    rows = await scene.broker.inspect([scene.id(name) for name in names])
    assert [row and row.state for row in rows] == [
        "COMPLETED", "FAILED", "DEAD", "CANCELLED", "SCHEDULED", "SCHEDULED", "PENDING", None,
    ]  # fmt: skip


async def test_running(scene: Scene) -> None:
    """RUNNING names its holder and since when it is leased; handed back it is PENDING again."""
    claims = await scene.running("a")
    row = await scene.broker.inspect_one(scene.id("a"))
    assert (row.state, row.worker) == ("RUNNING", ME)
    assert abs(row.delivered_ms - scene.now_ms()) < 2000
    assert row.fields["spec"] == SPEC
    await scene.settle(outcome(claims["a"], "returned"))
    row = await scene.broker.inspect_one(scene.id("a"))
    assert (row.state, row.worker, row.delivered_ms) == ("PENDING", None, 0)


async def test_not_found(scene7: Scene) -> None:
    """One task that nobody knows, or of a partition that nobody serves, is an error of its own."""
    for partition in (0, 77):
        with pytest.raises(TaskNotFound):
            await scene7.broker.inspect_one(scene7.id(f"unknown {partition}", partition))


async def test_under_churn(scene: Scene) -> None:
    """While a task is taken and handed back all the time, no read is wrong: it is PENDING or RUNNING."""
    await scene.submit("a")
    stop = False

    async def churn() -> int:
        rounds = 0
        while not stop:
            (claim,) = (await scene.claim()).claims
            await scene.settle(outcome(claim, "returned"))
            rounds += 1
        return rounds

    churning = asyncio.create_task(churn())
    seen = set()
    for _ in range(300):
        row = await scene.broker.inspect_one(scene.id("a"))
        assert (row.state == "RUNNING") == (row.worker is not None)
        seen.add(row.state)
    stop = True
    assert await churning > 10
    assert seen == {"PENDING", "RUNNING"}
