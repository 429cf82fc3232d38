"""A partition as a whole: its marker, its pause for resharding, and the repair of its groups."""

import contextlib
from typing import Any

import pytest

from shoal.broker.sync_broker import SyncBroker
from shoal.errors import BrokerUnavailable, PartitionPaused
from tests.support.builders import ME, Scene, outcome, settings_for
from tests.support.servers import RedisServer


async def test_made_at_the_first_use(scene: Scene) -> None:
    """Connecting makes the marker with the schema's version, and nothing that counts."""
    assert scene.state().keys() - {"counts/about", "stats/about"} == {"partition"}
    assert scene.client().get(scene.key("partition")).startswith(b"schema=1 created=")


async def test_missing_marker(scene: Scene) -> None:
    """Without its marker every script does nothing; the next call of a broker makes it again."""
    await scene.submit("a")
    scene.client().delete(scene.key("partition"))
    before = scene.state()
    sync = SyncBroker(settings_for(f"redis://{_address(scene)}/0"))
    try:
        assert sync.release(ME, "lost").tasks == 0
    finally:
        sync.close()
    assert scene.changes(before) == {}
    assert scene.named((await scene.claim()).claims) == ["a"]
    assert "partition" in scene.state()


async def test_paused(scene: Scene) -> None:
    """A paused partition refuses every verb and changes nothing until it is resumed."""
    claims = await scene.running("a")
    await scene.submit("b")
    await scene.broker.pause_partition(0)
    await scene.broker.pause_partition(0)
    before = scene.state()
    assert before["partition"].startswith("paused schema=1")
    assert before["partition_paused"].isdigit()
    calls: list[Any] = [
        scene.submit("c"),
        scene.claim(),
        scene.settle(outcome(claims["a"])),
        scene.renew(claims["a"]),
        scene.broker.release(0, ME, "lost"),
        scene.broker.recover(0, ME),
        scene.broker.cancel([scene.id("b")]),
        scene.broker.requeue([scene.id("b")], "op"),
        scene.broker.inspect([scene.id("b")]),
        scene.broker.prune(0),
        scene.broker.wake(0, "default", 0),
        scene.broker.pause("default"),
        scene.broker.resume("default"),
        scene.broker.depths(),
    ]
    for call in calls:
        with pytest.raises(PartitionPaused):
            await call
    assert scene.changes(before) == {}
    await scene.broker.resume_partition(0)
    await scene.broker.resume_partition(0)
    assert await scene.settle(outcome(claims["a"])) == ["ok"]
    assert scene.client().get(scene.key("partition")).startswith(b"schema=1")


@pytest.mark.parametrize("moved", ["partition", "partition_paused"])
async def test_pause_survives_the_loss_of_one_key(scene: Scene, moved: str) -> None:
    """While a slot moves key by key, either of the two keys of the pause stops the scripts."""
    await scene.broker.pause_partition(0)
    client = scene.client()
    if moved == "partition":
        client.set(scene.key("partition"), client.get(scene.key("partition"))[len("paused ") :])
    else:
        client.delete(scene.key("partition_paused"))
    with pytest.raises(PartitionPaused):
        await scene.submit("a")
    await scene.broker.resume_partition(0)
    await scene.submit("a")


async def test_group_gone(scene: Scene) -> None:
    """A group that is gone is made again from the first entry: what stands in the stream is claimable."""
    await scene.submit("a")
    scene.client().xgroup_destroy(scene.key("stream:default:1"), "shoal")
    assert scene.named((await scene.claim()).claims) == ["a"]


async def test_flushed_while_connected(scene: Scene) -> None:
    """A server that lost everything, scripts too, is used again from nothing."""
    await scene.running("a")
    scene.client().flushall()
    scene.client().script_flush()
    assert (await scene.claim()).claims == []
    assert [answer.status for answer in await scene.submit("a")] == ["new"]
    assert scene.named((await scene.claim()).claims) == ["a"]


async def test_server_away(redis7: RedisServer) -> None:
    """Without a server a call fails as unavailable within its timeout, and goes on by itself after it is back."""
    from tests.integration.broker.conftest import scene_on

    async with scene_on(redis7) as scene:
        await scene.submit("a")
        redis7.kill()
        with pytest.raises(BrokerUnavailable):
            await scene.submit("b")
        redis7.start()
        status: list[str] = []
        while not status:
            # Without a pause: a call that can't be sent waits for the connection by itself.
            with contextlib.suppress(BrokerUnavailable):
                status = [answer.status for answer in await scene.submit("b")]
        assert status == ["new"]
        assert scene.named((await scene.claim()).claims)[-1] == "b"


def _address(scene: Scene) -> str:
    return str(scene.broker.node_of_partition(0).address)
