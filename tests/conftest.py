"""Fixtures and standing watches of the whole suite."""

from collections.abc import Iterator

import pytest

from tests.support.binaries import KINDS, Kind
from tests.support.cluster import RedisCluster3
from tests.support.server_pool import ServerPool
from tests.support.servers import RedisServer


@pytest.fixture(scope="session")
def server_pool() -> Iterator[ServerPool]:
    """The shared servers of this test process (each xdist worker has its own)."""
    pool = ServerPool()
    yield pool
    pool.close()


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, server_pool: ServerPool) -> RedisServer:
    """An empty server; the test runs once on each kind."""
    kind: Kind = request.param
    return server_pool.get(kind)


@pytest.fixture
def valkey(server_pool: ServerPool) -> RedisServer:
    """An empty Valkey 9."""
    return server_pool.get("valkey")


@pytest.fixture
def redis7(server_pool: ServerPool) -> RedisServer:
    """An empty Redis 7.0."""
    return server_pool.get("redis7")


@pytest.fixture
def redis8(server_pool: ServerPool) -> RedisServer:
    """An empty Redis 8.2."""
    return server_pool.get("redis8")


@pytest.fixture
def cluster(server_pool: ServerPool) -> RedisCluster3:
    """An empty Redis Cluster of three masters."""
    return server_pool.get_cluster()
