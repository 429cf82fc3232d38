"""Silence is not death: Redis stands still for three leases, and no live worker's task runs twice."""

import asyncio
import contextlib
import threading
import time
from typing import Self

import pytest

from shoal.broker.keys import GROUP
from shoal.broker.results import Claim
from shoal.broker.sync_broker import SyncBroker
from shoal.errors import BrokerUnavailable
from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene, outcome, settings_for
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

LEASE_S = 3.0
ALIVE, DEAD, IDLE = "alive-0.aaaaaa", "dead-0.bbbbbb", "idle-0.cccccc"


class RenewThread:
    """Renews claims each sixth of a lease over a connection of its own, as a shard does."""

    def __init__(self, url: str, claims: list[Claim]) -> None:
        self._broker = SyncBroker(settings_for(url))
        self._claims = [(claim.id, claim.token) for claim in claims]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.lost: list[bytes] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._broker.close()

    def _run(self) -> None:
        while not self._stop.wait(LEASE_S / 6):
            with contextlib.suppress(BrokerUnavailable):
                self.lost += self._broker.renew({0: self._claims}, ALIVE)[0].lost


class IdleShard:
    """Claims and recovers all the time; what it takes is noted with the time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.taken: dict[bytes, float] = {}
        self.claims: list[Claim] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        number = 1
        while True:
            try:
                claimed = await self._scene.broker.claim(0, IDLE, number, 100, ignore_counters=True)
                number += 1
                for claim in claimed.claims:
                    self.taken[claim.id] = time.monotonic()
                self.claims += claimed.claims
                await self._scene.broker.recover(0, IDLE, full=True)
                claims = [(claim.id, claim.token) for claim in self.claims]
                await self._scene.broker.run(self._scene.broker.calls.renew(0, IDLE, claims))
            except BrokerUnavailable:
                pass
            await asyncio.sleep(0.02)


@pytest.mark.timeout(60)
async def test_redis_stands_still_for_three_leases(redis7: RedisServer) -> None:
    """Of a live worker's 50 tasks none is taken, although an idle shard comes first; a dead one's come later."""
    with Proxy(redis7.port) as proxy:
        async with scene_on(redis7) as scene:
            alive = list(
                (await scene.running(*(f"a{n}" for n in range(50)), incarnation=ALIVE)).values()
            )
            dead = await scene.running(*(f"d{n}" for n in range(50)), incarnation=DEAD)
            idle = IdleShard(scene)
            # The renewals of the live worker come 300 ms after the idle shard's calls.
            proxy.delay(300, "requests")
            with RenewThread(proxy.url, alive) as renewing:
                running = asyncio.create_task(idle.run())
                began = time.monotonic()
                redis7.stop_process()
                await wait_until_async(
                    lambda: time.monotonic() > began + 3 * LEASE_S, "three leases are over", 20
                )
                redis7.continue_process()
                back = time.monotonic()
                await wait_until_async(
                    lambda: len(idle.taken) >= 50, "the dead worker's tasks are recovered", 20
                )
                # Time enough for all that would be stolen, too.
                seen = time.monotonic()
                await wait_until_async(
                    lambda: time.monotonic() > seen + 1.5, "a further moment is over", 5
                )
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            assert set(idle.taken) == {claim.id for claim in dead.values()}
            assert renewing.lost == []
            # One lease after Redis was back, not before and not much later.
            first, last = min(idle.taken.values()) - back, max(idle.taken.values()) - back
            assert LEASE_S - 0.5 < first <= last < LEASE_S + 3
            assert await scene.settle(*map(outcome, alive), incarnation=ALIVE) == ["ok"] * 50
            assert await scene.settle(*map(outcome, idle.claims), incarnation=IDLE) == ["ok"] * 50
            assert scene.client().xpending(scene.key("stream:default:1"), GROUP)["pending"] == 0


@pytest.mark.timeout(60)
async def test_redis_killed_and_back_after_a_lease(redis7: RedisServer) -> None:
    """Idle times count the downtime of a restarted server; nothing of a live worker is recovered for it."""
    async with scene_on(redis7) as scene:
        claims = list((await scene.running(*(f"a{n}" for n in range(20)))).values())
        scene.client().config_set("appendfsync", "always")
        await scene.submit("flushed")
        redis7.kill()
        began = time.monotonic()
        await wait_until_async(
            lambda: time.monotonic() > began + LEASE_S + 0.5, "more than a lease is over", 10
        )
        redis7.start()
        idle = IdleShard(scene)
        running = asyncio.create_task(idle.run())
        await wait_until_async(lambda: bool(idle.taken), "the idle shard claims again", 10)
        renewed = await scene.renew(*claims)
        assert (renewed.status, renewed.lost) == ("ok", [])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [scene.names.name(task) for task in idle.taken] == ["flushed"]
        assert await scene.settle(*map(outcome, claims)) == ["ok"] * 20
