"""What tests of a shard's process begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shoal import Shoal
from tests.integration.shard.harness import client_on
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """What the handlers did."""
    return Ledger(tmp_path / "ledger")


@pytest_asyncio.fixture
async def client(valkey: RedisServer) -> AsyncIterator[Shoal]:
    """Submits; ``verify`` finds nothing in the end."""
    async with client_on(valkey) as made:
        yield made
