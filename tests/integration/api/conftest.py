"""An API process for each module; each test ends with `verify` finding nothing that is wrong."""

import asyncio
from collections.abc import Iterator

import pytest

from shoal.broker.broker import Broker
from shoal.broker.verify import verify
from shoal.config import Settings
from tests.support.api import Api, running_api
from tests.support.keyspace import undocumented
from tests.support.server_pool import ServerPool
from tests.support.servers import RedisServer


async def _verify(url: str) -> list[str]:
    broker = await Broker.connect(Settings.load({"REDIS_URL": url}))
    try:
        report = await verify(broker)
        return [] if report.ok else report.lines()
    finally:
        await broker.aclose()


def prove(server: RedisServer) -> None:
    """No fault, and no key or field that docs/keyspace.md does not name."""
    assert asyncio.run(_verify(server.url)) == []
    with server.client() as client:
        assert undocumented(client, "shoal") == []


@pytest.fixture(scope="module")
def shared_api(server_pool: ServerPool) -> Iterator[Api]:
    """One process for the tests of a module, that takes any task type."""
    with running_api(server_pool.get("valkey").url) as api:
        yield api


@pytest.fixture
def api(shared_api: Api, valkey: RedisServer) -> Iterator[Api]:
    """The same on an emptied server."""
    yield shared_api
    prove(valkey)


@pytest.fixture
def proven(valkey: RedisServer) -> Iterator[RedisServer]:
    """An empty server on which a test runs processes of its own."""
    yield valkey
    prove(valkey)
