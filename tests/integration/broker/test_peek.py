"""peek, oldest and dead_groups: reads that take nothing."""

from tests.support.builders import ME, OTHER, Scene, outcome


async def test_peek_in_the_order_of_claims(scene: Scene) -> None:
    """Handed-back tasks come first, then what was never taken; what runs is not shown, and nothing changes."""
    await scene.running("back", incarnation=OTHER)
    await scene.running("runs")
    await scene.submit("a", "b")
    await scene.broker.release(0, OTHER, "killed")
    before = scene.state()
    rows = await scene.broker.peek("default", 1)
    assert [(scene.names.name(row.id), row.returned) for row in rows] == [
        ("back", True),
        ("a", False),
        ("b", False),
    ]
    assert {row.type for row in rows} == {"mail"}
    assert [scene.names.name(row.id) for row in await scene.broker.peek("default", 1, 2)] == [
        "back",
        "a",
    ]
    assert scene.changes(before) == {}
    assert scene.named((await scene.claim()).claims) == ["back", "a", "b"]


async def test_peek_of_nothing(scene: Scene) -> None:
    """A queue that nobody ever used, an empty priority, and entries without a task show nothing."""
    assert await scene.broker.peek("unknown", 1) == []
    await scene.submit("gone")
    assert await scene.broker.peek("default", 3) == []
    scene.client().delete(scene.key("task:gone"))
    assert await scene.broker.peek("default", 1) == []
    await scene.claim()


async def test_oldest(scene: Scene) -> None:
    """The oldest ready task of each queue and priority, handed-back ones among them; not what runs."""
    assert await scene.broker.oldest() == {}
    await scene.running("runs")
    assert await scene.broker.oldest() == {}
    await scene.submit("a", priority=2)
    await scene.submit("b", priority=2)
    ages = await scene.broker.oldest()
    assert ages.keys() == {("default", 2)}
    assert 0 <= ages["default", 2] < 10
    await scene.broker.release(0, ME, "killed")
    back = await scene.broker.oldest()
    assert back.keys() == {("default", 1), ("default", 2)}
    assert back["default", 1] >= ages["default", 2]


async def test_dead_groups(scene: Scene) -> None:
    """DEAD tasks are counted by type, reason and fingerprint, the largest group first."""
    claims = await scene.running("a", "b", "c", "d")
    await scene.running("e", type="report")
    for name, detail in (("a", b"exhausted:p1"), ("b", b"exhausted:p1"), ("c", b"timeout")):
        await scene.settle(outcome(claims[name], "dead", detail=detail))
    found = await scene.broker.dead_groups()
    assert found.counted == 3
    assert [
        (group.fingerprint, group.type, group.reason, group.tasks) for group in found.groups
    ] == [
        ("p1", "mail", "exhausted", 2),
        ("", "mail", "timeout", 1),
    ]
    assert scene.names.name(found.groups[0].example) == "b"
    assert found.groups[0].oldest_ms <= found.groups[0].newest_ms
    few = await scene.broker.dead_groups(1)
    assert (few.counted, len(few.groups)) == (1, 1)
