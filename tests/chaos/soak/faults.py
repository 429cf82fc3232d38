"""The faults that the soak chooses from, each made and healed by one call."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.host import Host
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer

Fault = Callable[["Field"], Awaitable[None]]


@dataclass
class Field:
    """What faults are made to.

    Attributes:
        server: Redis; hosts and clients reach it through the proxy.
        start_host: Starts a host that takes the place of a dead one.
    """

    server: RedisServer
    proxy: Proxy
    hosts: list[Host]
    start_host: Callable[[], Host]
    rng: random.Random

    def shard(self) -> int | None:
        """A shard that lives and was ready."""
        pids = [pid for host in self.hosts for pid in host.incarnations()]
        return self.rng.choice(sorted(pids)) if pids else None


async def kill_shard(field: Field) -> None:
    """Kill -9 a shard."""
    if (pid := field.shard()) is not None:
        os.kill(pid, signal.SIGKILL)


async def stop_shard(field: Field) -> None:
    """SIGSTOP a shard for a while; its supervisor may lose its patience with it."""
    if (pid := field.shard()) is None:
        return
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(field.rng.uniform(0.3, 2.0))
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


async def kill_supervisor(field: Field) -> None:
    """Kill -9 a supervisor; another host comes in its place."""
    index = field.rng.randrange(len(field.hosts))
    dead = field.hosts[index]
    dead.process.kill()
    field.hosts[index] = await asyncio.to_thread(field.start_host)
    await field.hosts[index].ready()
    # What was left of it has noticed by now, or is ended here.
    await asyncio.to_thread(dead.process.close)


async def stop_host(field: Field) -> None:
    """SIGTERM a host: it drains; another comes in its place."""
    index = field.rng.randrange(len(field.hosts))
    old = field.hosts[index]
    old.process.terminate()
    status = await asyncio.to_thread(old.process.wait, 30)
    assert status == 0, old.process.stderr[-3000:]
    field.hosts[index] = await asyncio.to_thread(field.start_host)
    await asyncio.to_thread(old.process.close)


async def kill_redis(field: Field) -> None:
    """Kill -9 Redis, and start it again after a while."""
    field.server.kill()
    await asyncio.sleep(field.rng.uniform(0, 2.0))
    await asyncio.to_thread(field.server.start)


async def freeze_redis(field: Field) -> None:
    """SIGSTOP Redis for up to a lease."""
    field.server.stop_process()
    await asyncio.sleep(field.rng.uniform(0.5, 3.0))
    field.server.continue_process()


async def delay_replies(field: Field) -> None:
    """Every reply comes later, also later than the deadline."""
    field.proxy.delay(field.rng.uniform(50, 1500))
    await asyncio.sleep(field.rng.uniform(0.5, 2.0))
    field.proxy.delay(0)


async def drop_packets(field: Field) -> None:
    """The network swallows everything for a while, and then resets what it swallowed of."""
    field.proxy.black_hole()
    await asyncio.sleep(field.rng.uniform(0.5, 3.0))
    field.proxy.heal()


async def reset_connections(field: Field) -> None:
    """Every connection to Redis is reset."""
    field.proxy.reset()


async def cut_reply(field: Field) -> None:
    """A connection breaks in the middle of a reply."""
    field.proxy.cut_after(field.rng.randrange(1, 2000))
    await asyncio.sleep(0.3)
    field.proxy.heal()


FAULTS: tuple[Fault, ...] = (
    kill_shard,
    kill_shard,
    stop_shard,
    kill_supervisor,
    stop_host,
    kill_redis,
    freeze_redis,
    delay_replies,
    drop_packets,
    reset_connections,
    cut_reply,
)
