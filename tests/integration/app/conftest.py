"""An application on a real server; each test ends with ``verify`` finding nothing."""

from collections.abc import AsyncIterator

import pytest_asyncio

from shoal import Shoal
from shoal.broker.verify import verify
from shoal.config import Settings
from tests.support.servers import RedisServer


@pytest_asyncio.fixture
async def app(valkey: RedisServer) -> AsyncIterator[Shoal]:
    """Connected lazily, to Valkey."""
    async with Shoal(Settings.load({"REDIS_URL": valkey.url})) as made:
        yield made
        report = await verify(await made.broker())
        assert report.ok, report.lines()
