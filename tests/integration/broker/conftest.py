"""A scene on every server; each test ends with `verify` finding nothing and no key that the docs do not name."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest_asyncio
import redis

from shoal.broker.broker import Broker
from shoal.broker.verify import verify
from tests.support.builders import Scene, settings_for
from tests.support.cluster import RedisCluster3
from tests.support.keyspace import undocumented
from tests.support.servers import RedisServer


@asynccontextmanager
async def scene_on(
    server: RedisServer, *, url: str | None = None, after: Scene | None = None, **changes: object
) -> AsyncIterator[Scene]:
    """A scene on one server, with other settings where given.

    Args:
        server: Where its plain client connects.
        url: Where its broker connects; ``None`` = to the server itself.
        after: Go on with the names and call numbers of this scene.
    """
    async with AsyncExitStack() as stack:
        client = stack.enter_context(server.client())
        broker = await Broker.connect(settings_for(url or server.url, **changes))
        stack.push_async_callback(broker.aclose)
        scene = Scene(broker, lambda _slot: client, after)
        yield scene
        await end_with_proof(scene, [client])


async def end_with_proof(scene: Scene, clients: list[redis.Redis]) -> None:
    """No fault, and no key or field that docs/keyspace.md does not name."""
    if not scene.leaves_faults:
        report = await verify(scene.broker)
        assert report.ok, report.lines()
    for client in clients:
        assert undocumented(client, scene.broker.settings.namespace) == []


@pytest_asyncio.fixture
async def scene(server: RedisServer) -> AsyncIterator[Scene]:
    """A scene with one partition; the test runs on each kind of server."""
    async with scene_on(server) as made:
        yield made


@pytest_asyncio.fixture
async def scene7(redis7: RedisServer) -> AsyncIterator[Scene]:
    """A scene with one partition on Redis 7.0, the oldest."""
    async with scene_on(redis7) as made:
        yield made


@pytest_asyncio.fixture
async def cluster_scene(cluster: RedisCluster3) -> AsyncIterator[Scene]:
    """A scene with 16 partitions on a cluster of three masters."""
    async with AsyncExitStack() as stack:
        clients = {node.port: stack.enter_context(node.client()) for node in cluster.nodes}
        url = cluster.url.replace("redis://", "redis+cluster://")
        broker = await Broker.connect(settings_for(url, partitions=16))
        stack.push_async_callback(broker.aclose)
        made = Scene(broker, lambda slot: clients[cluster.node_of_slot(slot).port])
        yield made
        await end_with_proof(made, list(clients.values()))
