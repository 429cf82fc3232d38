"""Fixtures and standing watches of the whole suite."""

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.binaries import KINDS, Kind
from tests.support.cluster import RedisCluster3
from tests.support.server_pool import ServerPool
from tests.support.servers import RedisServer
from tests.support.watches import LeftBehind, StandingWatch, left_tasks

TESTS = Path(__file__).parent
TIMEOUTS_S = {"unit": 60, "integration": 120, "packaging": 300, "chaos": 300}
"""Per test, by folder, where the test has no ``timeout`` mark of its own."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    config.addinivalue_line("markers", "integration: speaks to a real server")
    config.addinivalue_line("markers", "chaos: makes faults on purpose")
    config.addinivalue_line("markers", "alone: measures time; nothing else may run beside it")
    config.addinivalue_line("markers", "cluster: needs the Redis Cluster of three masters")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they are in and the servers they ask for, and bound their time."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in ("integration", "chaos"):
            item.add_marker(folder)
        if folder in ("chaos", "browser"):
            item.add_marker("alone")
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")
        if item.get_closest_marker("timeout") is None and folder in TIMEOUTS_S:
            item.add_marker(pytest.mark.timeout(TIMEOUTS_S[folder]))


@pytest.fixture(autouse=True)
def standing_watches(request: pytest.FixtureRequest, server_pool: ServerPool) -> Iterator[None]:
    """No test may leave an asyncio task, a thread, a child process or a file descriptor behind."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        # In the loop, where closing transports are given their last rounds.
        request.getfixturevalue("standing_watches_in_loop")
        yield
    else:
        watch = StandingWatch(server_pool)
        yield
        watch.verify()


@pytest_asyncio.fixture
async def standing_watches_in_loop(server_pool: ServerPool) -> AsyncIterator[None]:
    """The same for a test that runs on an event loop."""
    watch = StandingWatch(server_pool)
    yield
    if tasks := await left_tasks():
        raise LeftBehind("the test left behind: " + "; ".join(tasks))
    watch.verify()


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
