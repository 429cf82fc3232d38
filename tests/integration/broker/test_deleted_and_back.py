"""An id that was deleted and submitted again is a task of its own: the journal's old entry does not end it."""

import pytest

from shoal.broker import operator_calls
from tests.integration.broker.conftest import scene_on
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


@pytest.mark.parametrize("by_type", [False, True])
async def test_prune_spares_it(redis7: RedisServer, by_type: bool) -> None:
    """Pruning what ended before leaves what has been submitted since, whole and counted."""
    async with scene_on(redis7, retention__days=0) as scene:
        await scene.ended("completed", "a", "b")
        broker = scene.broker

        [row] = await broker.run(operator_calls.delete(0, [scene.id("a")], 1000))
        assert row.status == "deleted"
        await scene.submit("a")
        call = broker.calls.prune_type(0, "mail", 0) if by_type else broker.calls.prune(0)

        async def is_pruned() -> bool:
            await broker.run(call)
            return (await broker.inspect([scene.id("b")])) == [None]

        await wait_until_async(is_pruned, "the other of the journal's entry is pruned", 5)
        assert (await broker.inspect_one(scene.id("a"))).state == "PENDING"
        assert scene.named((await scene.claim()).claims) == ["a"]
