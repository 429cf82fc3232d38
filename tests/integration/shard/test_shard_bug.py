"""A bug in the shard's own code is loud."""

import asyncio

import pytest

from shoal import Shoal, TaskContext
from shoal.broker.sync_broker import SyncBroker
from tests.integration.shard.harness import client_on, shard_on
from tests.support.servers import RedisServer


async def test_a_bug_of_its_own_ends_the_shard(
    valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of living on half alive: it raises, and its supervisor hands back and replaces it."""
    app = Shoal()

    @app.task("note")
    async def note(_ctx: TaskContext, _payload: None) -> None:
        pass

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    async with client_on(valkey) as client:
        with pytest.raises(ExceptionGroup) as caught:
            await _run_into(broken, valkey, app, client, monkeypatch)
        assert caught.group_contains(ZeroDivisionError)
        sync = SyncBroker(client.settings)
        assert await asyncio.to_thread(sync.release, "w-0.aaaaaa", "killed") == (1, 0)
        sync.close()


async def _run_into(
    bug: object, server: RedisServer, app: Shoal, client: Shoal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shard_on(server.url, app) as shard:
        monkeypatch.setattr("shoal.shard.executor.line_tail", bug)
        await client.submit("note")
        await shard.task
