"""Replies that are lost and requests that come late: no task is taken twice, none is forgotten."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shoal.broker.keys import GROUP
from shoal.broker.scripts import script
from shoal.errors import BrokerUnavailable
from tests.integration.broker.conftest import scene_on
from tests.support.builders import ME, Scene, outcome
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


@pytest_asyncio.fixture
async def direct(server: RedisServer) -> AsyncIterator[Scene]:
    """A scene with a way of its own to the server; the last to end, so its proof covers the others."""
    async with scene_on(server) as scene:
        # A reply that is held must not be the one that says that a script is missing.
        for verb in ("submit", "claim", "settle", "release"):
            scene.client().script_load(script(verb).source)
        yield scene


@pytest_asyncio.fixture
async def proxied(server: RedisServer, direct: Scene) -> AsyncIterator[tuple[Scene, Proxy]]:
    """A scene on the same server whose broker goes through a proxy, and that proxy."""
    with Proxy(server.port) as proxy:
        async with scene_on(server, url=proxy.url, after=direct) as scene:
            yield scene, proxy
            proxy.heal()


async def lose_reply(scene: Scene, proxy: Proxy, call: asyncio.Task[object], done: str) -> None:
    """Let a call be carried out and its reply be lost; ``done`` is a path that then stands."""
    await wait_until_async(lambda: done in scene.state(), f"{done} stands")
    proxy.reset()
    with pytest.raises(BrokerUnavailable) as caught:
        await call
    assert caught.value.outcome_unknown
    proxy.heal()
    await wait_until_async(lambda: _is_connected(scene), "the broker has a connection again")


async def test_lost_reply_of_a_claim(proxied: tuple[Scene, Proxy], direct: Scene) -> None:
    """The claim whose reply was lost is repeated with its number: the same ten tasks, and no other."""
    scene, proxy = proxied
    names = [f"t{n}" for n in range(30)]
    await direct.submit(*names)
    proxy.hold_replies()
    call: asyncio.Task[object] = asyncio.create_task(scene.claim(want=10, number=1))
    await lose_reply(scene, proxy, call, f"claimed:{ME}")
    again = await scene.claim(want=10, number=1)
    assert direct.named(again.claims) == names[:10]
    assert direct.client().xpending(direct.key("stream:default:1"), GROUP)["pending"] == 10
    assert direct.named((await scene.claim(want=10, number=2)).claims) == names[10:20]


async def test_late_request_of_a_claim(proxied: tuple[Scene, Proxy], direct: Scene) -> None:
    """A claim that was given up and repeated, and arrives after the next call all the same, takes nothing."""
    scene, proxy = proxied
    await direct.submit(*(f"t{n}" for n in range(30)))
    proxy.hold_requests()
    with pytest.raises(BrokerUnavailable) as caught:
        await scene.claim(want=10, number=1)
    assert caught.value.outcome_unknown
    # Its shard has another way now: it repeats the call, and goes on.
    assert len((await direct.claim(want=10, number=1)).claims) == 10
    assert len((await direct.claim(want=10, number=2)).claims) == 10
    before = direct.state()
    calls = _calls_of_claim(direct)
    proxy.release_requests()
    await wait_until_async(lambda: _calls_of_claim(direct) > calls, "the late request has arrived")
    assert direct.changes(before) == {}


async def test_late_claim_of_a_released_incarnation(
    proxied: tuple[Scene, Proxy], direct: Scene
) -> None:
    """A claim in flight when its shard is killed and released arrives at the dead, and takes nothing."""
    scene, proxy = proxied
    await direct.claim(number=1)
    await direct.submit("a")
    proxy.hold_requests()
    call = asyncio.create_task(scene.claim(number=2))
    await wait_until_async(lambda: proxy.held_bytes("requests") > 0, "the claim is on its way")
    await direct.broker.release(0, ME, "killed")
    before = direct.state()
    proxy.release_requests()
    claimed = await call
    assert (claimed.status, claimed.claims) == ("dead", [])
    assert direct.changes(before) == {}


async def test_lost_reply_of_a_settle(proxied: tuple[Scene, Proxy], direct: Scene) -> None:
    """An outcome whose reply was lost is repeated: already recorded, and counted once."""
    scene, proxy = proxied
    claims = await scene.running("a")
    proxy.hold_replies()
    call: asyncio.Task[object] = asyncio.create_task(scene.settle(outcome(claims["a"])))
    await lose_reply(scene, proxy, call, "task:a/state")
    before = direct.state()
    assert await scene.settle(outcome(claims["a"])) == ["already"]
    assert direct.changes(before) == {}
    assert before["stats/completed:mail"] == "1"


async def test_lost_reply_of_a_submit(proxied: tuple[Scene, Proxy], direct: Scene) -> None:
    """A submission whose reply was lost is repeated: the task exists, and stands once."""
    scene, proxy = proxied
    await scene.submit("known")  # the type and the queue are let in
    proxy.hold_replies()
    call: asyncio.Task[object] = asyncio.create_task(scene.submit("a"))
    await lose_reply(scene, proxy, call, "task:a/spec")
    assert [answer.status for answer in await scene.submit("a")] == ["exists"]
    assert direct.client().xlen(direct.key("stream:default:1")) == 2


async def test_lost_reply_of_a_release(proxied: tuple[Scene, Proxy], direct: Scene) -> None:
    """A release whose reply was lost is repeated, and counts no recovery twice."""
    scene, proxy = proxied
    await scene.running("a")
    proxy.hold_replies()
    call: asyncio.Task[object] = asyncio.create_task(scene.broker.release(0, ME, "killed"))
    await lose_reply(scene, proxy, call, "task:a/recoveries")
    assert (await scene.broker.release(0, ME, "killed")).done
    assert direct.state()["task:a/recoveries"] == "1"


async def _is_connected(scene: Scene) -> bool:
    try:
        await scene.broker.node_of_partition(0).connected()
    except BrokerUnavailable:
        return False
    return True


def _calls_of_claim(scene: Scene) -> int:
    stats = scene.client().info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))
