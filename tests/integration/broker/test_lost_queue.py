"""A failover may lose a queue that tasks were claimed from; their workers are told, and go on."""

from shoal.broker.results import NoteItem
from tests.support.builders import ME, Scene, outcome


async def test_what_ran_in_a_lost_queue_is_gone(scene: Scene) -> None:
    """Settle, renew and note answer for it, and for the tasks beside it as ever."""
    kept = (await scene.running("kept"))["kept"]
    copy = {key: scene.client().dump(key) for key in scene.client().keys("{t:*")}
    lost = (await scene.running("lost", queue="later"))["lost"]
    client = scene.client()
    client.delete(*client.keys("{t:*"))
    for key, value in copy.items():
        client.restore(key, 0, value)
    client.expire(scene.key(f"claimed:{ME}"), 86_400)
    renewed = await scene.renew(kept, lost)
    assert (renewed.status, renewed.lost) == ("ok", [lost.token])
    items = [NoteItem(c.token, c.id, c.type, b"{}", 0.5, 1, b"x\n") for c in (lost, kept)]
    assert await scene.broker.run(scene.broker.calls.note(0, ME, items)) == [0]
    assert await scene.settle(outcome(lost), outcome(kept)) == ["gone", "ok"]
