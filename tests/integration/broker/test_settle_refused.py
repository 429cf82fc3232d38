"""settle: what is applied to nothing, because its token holds no more."""

import pytest

from tests.support.builders import ME, OTHER, Scene, outcome


async def test_late_copy(scene: Scene) -> None:
    """A repeated call answers already and changes nothing."""
    claims = await scene.running("a", "b")
    batch = (outcome(claims["a"]), outcome(claims["b"], "failed"))
    assert await scene.settle(*batch) == ["ok", "ok"]
    before = scene.state()
    assert await scene.settle(*batch) == ["already", "already"]
    assert scene.changes(before) == {}


async def test_late_copy_while_the_retry_runs(scene: Scene) -> None:
    """A late copy of the first attempt does not touch the second: its entry is another."""
    claims = await scene.running("a")
    first = outcome(claims["a"], "failed", detail=b"+0")
    await scene.settle(first)
    (second,) = (await scene.claim()).claims
    before = scene.state()
    assert await scene.settle(first) == ["already"]
    assert scene.changes(before) == {}
    assert await scene.settle(outcome(second)) == ["ok"]


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        (("completed", "completed"), ["ok", "already"]),
        (("completed", "failed"), ["ok", "already"]),
        (("failed", "completed"), ["ok", "already"]),
        (("dead", "dead"), ["ok", "already"]),
        (("returned", "completed"), ["ok", "stale"]),
        (("deferred", "completed"), ["ok", "stale"]),
    ],
)
async def test_two_copies_in_one_call(
    scene: Scene, words: tuple[str, str], answers: list[str]
) -> None:
    """Of two outcomes for one token in one call, only the first counts."""
    claims = await scene.running("a", "b")
    copies = [outcome(claims["a"], word) for word in words]  # type: ignore[arg-type]
    assert await scene.settle(*copies) == answers
    assert scene.state()["counts/RUNNING"] == "1"


async def test_missing_last_step(scene: Scene) -> None:
    """An outcome that is recorded while its entry still stands is completed, and counted once."""
    claims = await scene.running("a")
    key = scene.key("stream:default:1")
    await scene.settle(outcome(claims["a"]))
    _, entry, _ = claims["a"].token.decode().split("/")
    # As after a server that stopped between the script's last writes: recorded, and still pending.
    _replant(scene, entry)
    scene.client().xreadgroup("shoal", ME, {scene.key("stream:default:1"): ">"})
    assert await scene.settle(outcome(claims["a"])) == ["already"]
    assert scene.client().xlen(key) == 0
    state = scene.state()
    assert (state["counts/RUNNING"], state["counts/COMPLETED"]) == ("0", "1")


async def test_hash_gone(scene: Scene) -> None:
    """A task whose hash is gone is gone: its entry goes, RUNNING loses one, and no phantom hash appears."""
    claims = await scene.running("a")
    scene.client().delete(scene.key("task:a"))
    before = scene.state()
    assert await scene.settle(outcome(claims["a"]), outcome(claims["a"])) == ["gone", "gone"]
    assert scene.changes(before) == {
        "stream:default:1/a.1": None,
        f"stream:default:1>{ME}": "0 pending",
        "counts/RUNNING": "0",
        "counts/RUNNING:mail": "0",
    }


async def test_hash_gone_and_not_ours(scene: Scene) -> None:
    """A task whose hash is gone and whose entry another has pending is gone, and nothing is touched."""
    claims = await scene.running("a")
    await scene.broker.release(0, ME, "drained")
    await scene.claim(OTHER)
    scene.client().delete(scene.key("task:a"))
    before = scene.state()
    assert await scene.settle(outcome(claims["a"])) == ["gone"]
    assert scene.changes(before) == {}
    scene.leaves_faults = True


async def test_zombie_after_hand_back(scene: Scene) -> None:
    """The settle of a holder that was released is stale: the new holder's entry stays, and its end counts."""
    zombie = (await scene.running("a"))["a"]
    await scene.broker.release(0, ME, "lost")
    (claim,) = (await scene.claim(OTHER)).claims
    before = scene.state()
    for word in ("completed", "failed", "dead", "returned", "cancelled", "deferred"):
        assert await scene.settle(outcome(zombie, word)) == ["stale"]
    assert scene.changes(before) == {}
    assert await scene.settle(outcome(claim), incarnation=OTHER) == ["ok"]


async def test_zombie_while_handed_back(scene: Scene) -> None:
    """The settle of a released holder is stale also while nobody has taken the task again."""
    zombie = (await scene.running("a"))["a"]
    await scene.broker.release(0, ME, "lost")
    before = scene.state()
    assert await scene.settle(outcome(zombie)) == ["stale"]
    assert scene.changes(before) == {}


async def test_same_incarnation_takes_it_again(scene: Scene) -> None:
    """A token of the first delivery does not settle the second one, although the holder is the same."""
    first = (await scene.running("a"))["a"]
    await scene.settle(outcome(first, "returned"))
    (second,) = (await scene.claim()).claims
    before = scene.state()
    assert await scene.settle(outcome(first)) == ["stale"]
    assert scene.changes(before) == {}
    assert await scene.settle(outcome(second)) == ["ok"]


async def test_equal_entry_and_count_in_two_streams(scene: Scene) -> None:
    """Two claims with the same entry id and count in two streams are two: each settles its own task only."""
    client = scene.client()
    await scene.submit("warm", queue="one")
    await scene.submit("warm2", queue="two")
    for claim in (await scene.claim()).claims:
        await scene.settle(outcome(claim))
    for name, queue in (("a", "one"), ("b", "two")):
        stream = f"{queue}:1"
        client.xadd(
            scene.key(f"stream:{stream}"), {"i": scene.id(name), "y": "mail"}, id="9000000000000-0"
        )
        client.hset(
            scene.key(f"task:{name}"),
            mapping={"spec": b"{}\n1", "type": "mail", "entry": f"{stream}/9000000000000-0"},
        )
        client.hset(scene.key("ready"), stream, 1)
    client.hincrby(scene.key("counts"), "PENDING", 2)
    client.hincrby(scene.key("counts"), "PENDING:mail", 2)
    claims = {scene.names.name(claim.id): claim for claim in (await scene.claim()).claims}
    tokens = [claims[name].token.decode().partition("/") for name in "ab"]
    assert tokens[0][2] == tokens[1][2]
    # The token of one with the id of the other holds for neither.
    crossed = outcome(claims["a"], token=claims["b"].token)
    before = scene.state()
    assert await scene.settle(crossed) == ["stale"]
    assert scene.changes(before) == {}
    assert await scene.settle(outcome(claims["a"])) == ["ok"]
    assert scene.named((await scene.claim(number=_number(scene))).claims) == ["b"]
    assert await scene.settle(outcome(claims["b"])) == ["ok"]


@pytest.mark.parametrize("holder", [ME, OTHER])
@pytest.mark.parametrize("hash_is_gone", [True, False])
async def test_entry_id_given_to_another_task(
    scene: Scene, holder: str, hash_is_gone: bool
) -> None:
    """After a failover to a clock behind, an entry id comes again with another task: old tokens do nothing."""
    old = (await scene.running("a"))["a"]
    stream, entry, _ = old.token.decode().split("/")
    await scene.settle(outcome(old))
    # The server that took over gave the id of a's entry to b; with or without a's end.
    if hash_is_gone:
        scene.client().delete(*(scene.key(k) for k in ("task:a", "counts", "done", "done:mail")))
    _replant(scene, entry, "b")
    scene.client().hset(
        scene.key("task:b"),
        mapping={"spec": b"{}\n1", "type": "mail", "entry": f"{stream}/{entry}"},
    )
    scene.client().hset(scene.key("ready"), stream, 1)
    scene.client().hset(scene.key("counts"), mapping={"PENDING": 1, "PENDING:mail": 1})
    (claim,) = (await scene.claim(holder)).claims
    assert claim.token == old.token
    before = scene.state()
    assert await scene.settle(outcome(old)) == ["gone" if hash_is_gone else "already"]
    assert scene.changes(before) == {}
    renewed = await scene.broker.run(scene.broker.calls.renew(0, ME, [(old.id, old.token)]))
    assert renewed.lost == [old.token]
    assert await scene.settle(outcome(claim), incarnation=holder) == ["ok"]


async def test_entry_id_given_to_another_task_of_the_same_holder(scene: Scene) -> None:
    """The same, when the other task is this incarnation's own: the id in the outcome tells them apart."""
    claims = await scene.running("a", "b")
    wrong = outcome(claims["a"], token=claims["b"].token)
    before = scene.state()
    assert await scene.settle(wrong) == ["stale"]
    assert scene.changes(before) == {}
    assert await scene.settle(outcome(claims["a"]), outcome(claims["b"])) == ["ok", "ok"]


async def test_submitted_again_after_its_hash_was_gone(scene: Scene) -> None:
    """A settle for an id that was submitted anew is stale: it is another task by another entry."""
    old = (await scene.running("a"))["a"]
    await scene.settle(outcome(old))
    scene.client().delete(scene.key("task:a"), scene.key("done"), scene.key("done:mail"))
    scene.client().hset(scene.key("counts"), mapping={"COMPLETED": 0, "COMPLETED:mail": 0})
    await scene.submit("a")
    before = scene.state()
    assert await scene.settle(outcome(old)) == ["stale"]
    assert scene.changes(before) == {}


def _number(scene: Scene) -> int:
    return scene._numbers[0, ME]


def _replant(scene: Scene, entry: str, name: str = "a") -> None:
    """An entry with an old id, which Redis adds only to a stream that is made anew."""
    client = scene.client()
    key = scene.key("stream:default:1")
    client.delete(key)
    client.xadd(key, {"i": scene.id(name), "y": "mail"}, id=entry)
    client.xgroup_create(key, "shoal", id="0")
