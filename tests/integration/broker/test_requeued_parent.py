"""A parent that was requeued has not ended any more, also when its dependents have been told of its first end."""

from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene, outcome, submission
from tests.support.notices import deliver
from tests.support.servers import RedisServer


async def child(scene: Scene, name: str) -> str:
    """Submit a child of `parent`; its state."""
    await scene.broker.submit(0, [submission(scene.id(name), parents=(scene.id("parent"),))])
    return (await scene.broker.inspect_one(scene.id(name))).state


async def test_first_end_is_forgotten(redis7: RedisServer) -> None:
    """When its hash has been deleted, a child submitted later is not cancelled because of the first end."""
    async with scene_on(redis7) as scene:
        claims = await scene.running("parent")
        assert await child(scene, "told") == "SCHEDULED"
        await scene.settle(outcome(claims["parent"], "dead"))
        await deliver(scene)
        assert (await scene.broker.inspect_one(scene.id("told"))).state == "CANCELLED"
        assert scene.client().get(scene.key(f"ended:{scene.id('parent')}")) == b"DEAD"
        await scene.broker.run(scene.broker.calls.requeue(0, [scene.id("parent")], "again"))
        assert scene.client().exists(scene.key(f"ended:{scene.id('parent')}")) == 0
        [again] = (await scene.claim()).claims
        assert await scene.settle(outcome(again)) == ["ok"]
        assert await child(scene, "later") == "PENDING"
