"""The fixtures of the API's tests, and clients of their API process."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shoal.client import Client, SyncClient
from tests.integration.api.conftest import api, proven, shared_api
from tests.support.api import KEY, Api

__all__ = ["api", "proven", "shared_api"]

#: The id of no task.
UNKNOWN = "01990000-0000-7000-8000-000000000000"


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    """For asyncio."""
    async with Client(url(api.ports.public), KEY, admin_url=url(api.ports.admin)) as client:
        yield client


@pytest.fixture
def sync_client(api: Api) -> Iterator[SyncClient]:
    """Without."""
    with SyncClient(url(api.ports.public), KEY, admin_url=url(api.ports.admin)) as client:
        yield client


def url(port: int) -> str:
    """Of a port of this host."""
    return f"http://127.0.0.1:{port}"
