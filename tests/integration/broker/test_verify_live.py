"""`verify` while everything moves: no finding of its own making, and what is wrong is found all the same."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shoal.broker.results import OutcomeWord
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from tests.support.builders import Scene, outcome

WORDS: list[OutcomeWord] = ["completed", "completed", "failed", "dead", "returned", "cancelled"]


async def work(scene: Scene, incarnation: str, seed: int) -> None:
    """Submit, claim, settle in every way, cancel and prune, as fast as it goes."""
    rng = random.Random(seed)
    for turn in range(1_000_000):
        names = [f"{seed}-{turn}-{n}" for n in range(rng.randrange(1, 6))]
        await scene.submit(*names, type=rng.choice(["mail", "report"]))
        await scene.broker.cancel([scene.id(names[0])])
        claims = (await scene.claim(incarnation, want=4)).claims
        ends = [
            outcome(claim, word := rng.choice(WORDS), detail=b"+1" if word == "failed" else None)
            for claim in claims
        ]
        await scene.settle(*ends, incarnation=incarnation)
        await scene.broker.prune(0)
        await asyncio.sleep(0)


@asynccontextmanager
async def at_work(scene: Scene) -> AsyncIterator[None]:
    """Three workers that work all the time."""
    workers = [asyncio.create_task(work(scene, f"w-{seed}.aaaaaa", seed)) for seed in range(3)]
    try:
        yield
        assert not any(worker.done() for worker in workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def test_no_finding_under_load(scene: Scene) -> None:
    """Ten walks over a partition at work find nothing; that its counts were not judged is said."""
    async with at_work(scene):
        for _ in range(10):
            report = await verify(scene.broker)
            assert report.ok, report.lines()
            assert report.busy == [0]
    report = await verify(scene.broker)
    assert (report.ok, report.busy) == (True, [])
    assert report.tasks > 30


async def test_fault_under_load(scene7: Scene) -> None:
    """What is wrong is found also while everything else moves."""
    await scene7.submit("victim", delay_s=600)
    await scene7.ended("completed", "doubled")
    scene7.client().zrem(scene7.key("scheduled"), scene7.id("victim"))
    scene7.client().set(scene7.key("left_behind"), 1)
    async with at_work(scene7):
        report = await verify(scene7.broker)
    assert {finding.code for finding in report.findings} == {Code.INDEX_MISSING, Code.UNKNOWN_KEY}
    scene7.leaves_faults = True
    scene7.client().delete(scene7.key("left_behind"))
