"""One application serves one event loop at a time, and many one after another."""

import asyncio

import pytest

from shoal import Shoal
from shoal.config import Settings
from tests.support.servers import RedisServer


def test_it_may_be_used_in_one_loop_after_another(valkey: RedisServer) -> None:
    """As scripts do that call asyncio.run more than once."""
    app = Shoal(Settings.load({"REDIS_URL": valkey.url}))

    async def submit() -> None:
        handles = await asyncio.gather(*(app.submit("t") for _ in range(10)))
        assert len(set(handles)) == 10
        await app.aclose()

    asyncio.run(submit())
    asyncio.run(submit())


def test_another_loop_at_the_same_time_is_told(valkey: RedisServer) -> None:
    """Connections belong to the loop that opened them."""
    app = Shoal(Settings.load({"REDIS_URL": valkey.url}))
    with asyncio.Runner() as first:
        first.run(app.submit("t"))
        with asyncio.Runner() as second, pytest.raises(RuntimeError, match="another event loop"):
            second.run(app.submit("t"))
        first.run(app.aclose())
