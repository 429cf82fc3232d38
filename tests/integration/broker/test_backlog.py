"""A backlog of 100,000: what was handed back comes before all of it, and everything stays exact."""

import time

import pytest

from shoal.broker.keys import GROUP
from tests.support.builders import ME, OTHER, Scene, outcome, submission

BACKLOG = 100_000
BATCH = 250


@pytest.mark.timeout(120)
async def test_handed_back_before_the_backlog(scene7: Scene) -> None:
    """50 tasks of a killed shard run next, before 100,000 that wait; a late second release changes nothing."""
    first = [scene7.id(f"first {n}") for n in range(50)]
    await scene7.broker.submit(0, [submission(task) for task in first])
    await scene7.claim(OTHER, want=50)
    pending = []
    for at in range(0, BACKLOG, BATCH):
        batch = [submission(scene7.id(str(n))) for n in range(at, at + BATCH)]
        pending.append(scene7.broker.pending(scene7.broker.calls.submit(0, batch)))
    for call in pending:
        assert {answer.status for answer in await call} == {"new"}

    began = time.monotonic()
    assert await scene7.broker.release(0, OTHER, "killed") == (50, True, 0)
    claimed = await scene7.claim(ME, want=50)
    assert time.monotonic() - began < 1
    assert [claim.id.decode() for claim in claimed.claims] == first
    assert claimed.depths == (0, BACKLOG, 0, 0)

    # The releaser repeats until it is answered, and may be late.
    assert await scene7.broker.release(0, OTHER, "killed") == (0, True, 0)
    key = scene7.key("stream:default:1")
    assert scene7.client().xpending(key, GROUP)["pending"] == 50
    assert set(await scene7.settle(*map(outcome, claimed.claims))) == {"ok"}
    assert scene7.named((await scene7.claim(ME, want=2)).claims) == ["0", "1"]
