"""An idempotency key stands for the first task that was given for it."""

import pytest

from shoal.broker.results import KeyHolder
from tests.support.builders import Scene

DIGEST = "a" * 64


async def test_the_first_to_come_decides(scene: Scene) -> None:
    """Whoever repeats the request is told its id; nothing else of the partition changes."""
    before = scene.state()
    first, second = scene.id("a"), scene.id("b")
    assert await scene.broker.idempotency(0, DIGEST, first, "h1") == KeyHolder("new", first)
    for task_id in (first, second):
        held = await scene.broker.idempotency(0, DIGEST, task_id, "h1")
        assert held == KeyHolder("known", first)
    key = scene.broker.keys[0].idempotency(DIGEST)
    assert 86_390_000 < scene.client().pttl(key) <= 86_400_000
    assert scene.client().get(key).decode() == f"{first} h1"
    scene.client().delete(key)
    assert scene.changes(before) == {}


async def test_another_request_is_a_conflict(scene: Scene) -> None:
    """And leaves the record as it is; another key is free."""
    await scene.broker.idempotency(0, DIGEST, scene.id("a"), "h1")
    held = await scene.broker.idempotency(0, DIGEST, scene.id("b"), "h2")
    assert held == KeyHolder("conflict", "")
    held = await scene.broker.idempotency(0, DIGEST, scene.id("b"), "h1")
    assert held == KeyHolder("known", scene.id("a"))
    held = await scene.broker.idempotency(0, "b" * 64, scene.id("b"), "h2")
    assert held == KeyHolder("new", scene.id("b"))


@pytest.mark.parametrize("times", [1, 2])
async def test_that_its_task_was_accepted_is_noted(scene: Scene, times: int) -> None:
    """Once, however often it is said; the record's lifetime goes on as it was."""
    assert not await scene.broker.idempotency_stored(0, DIGEST)
    await scene.broker.idempotency(0, DIGEST, scene.id("a"), "h1")
    key = scene.broker.keys[0].idempotency(DIGEST)
    scene.client().pexpire(key, 5000)
    for _ in range(times):
        assert await scene.broker.idempotency_stored(0, DIGEST)
    assert scene.client().get(key).decode() == f"{scene.id('a')} h1 stored"
    assert 0 < scene.client().pttl(key) <= 5000
    held = await scene.broker.idempotency(0, DIGEST, scene.id("b"), "h1")
    assert held == KeyHolder("stored", scene.id("a"))
    assert (await scene.broker.idempotency(0, DIGEST, scene.id("b"), "h2")).status == "conflict"
