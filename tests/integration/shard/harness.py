"""A shard in the test's own event loop, and one in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from shoal import Shoal
from shoal.broker.broker import Broker
from shoal.broker.verify import verify
from shoal.config import Settings
from shoal.model.identity import Incarnation
from shoal.page import Page, PageState
from shoal.shard.control import Control, Why
from shoal.shard.life import live
from tests.support.builders import settings_for
from tests.support.ledger import LEDGER_VARIABLE, Ledger
from tests.support.processes import ChildProcess
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async


@dataclass
class LiveShard:
    """A shard that works in this loop."""

    incarnation: str
    settings: Settings
    page: Page
    control: Control
    task: asyncio.Task[int]

    async def end(self, why: Why = Why.TOLD) -> int:
        """Tell it to end, and wait for that."""
        self.control.stop(why)
        return await self.task


@contextlib.asynccontextmanager
async def shard_on(
    url: str,
    app: Shoal,
    *,
    index: int = 0,
    drain_s: float = 10.0,
    replaces: str | None = None,
    **changes: object,
) -> AsyncIterator[LiveShard]:
    """A shard of ``app`` that can claim; it is drained at the end of the block."""
    settings = settings_for(url, **{"worker__concurrency": 10, "worker__heartbeat_s": 1, **changes})
    page = Page.create(settings.worker.concurrency)
    page.set_pid(1)
    control = Control(drain_s)
    incarnation = Incarnation("w", index, "aaaaaa")
    ready = asyncio.Event()
    task = asyncio.create_task(
        live(settings, page, app, incarnation, control, replaces=replaces, ready=ready.set)
    )
    waiter = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if task.done():
        task.result()
    assert page.state is PageState.READY
    shard = LiveShard(str(incarnation), settings, page, control, task)
    try:
        yield shard
    finally:
        await shard.end()


def client_on(server: RedisServer, **changes: object) -> AbstractAsyncContextManager[Shoal]:
    """See ``client_at``; on a test server."""
    return client_at(server.url, **changes)


@contextlib.asynccontextmanager
async def client_at(url: str, **changes: object) -> AsyncIterator[Shoal]:
    """An application to submit from, with its own connection; at its end ``verify`` finds nothing."""
    async with Shoal(settings_for(url, **changes)) as client:
        yield client
        report = await verify(await client.broker())
        assert report.ok, report.lines()


async def until_settled(broker: Broker, **states: int) -> None:
    """Wait until exactly so many tasks are in each of these states, and none in another."""

    async def counts() -> bool:
        found = {state: n for state, n in (await broker.counts_by_state()).items() if n}
        return found == states

    await wait_until_async(counts, f"the states are {states}", 15)


def shard_process(url: str, ledger: Ledger, **env: object) -> ChildProcess:
    """A shard forked by a parent that does nothing else; see ``tests.integration.shard.host``.

    ``APP`` among the settings names another application than ``tests.integration.shard.program``.
    """
    settings = {
        "REDIS_URL": url,
        "SHOAL_NAMESPACE": "t",
        "SHOAL_PARTITIONS": "1",
        "SHOAL_LEASE": "3s",
        "SHOAL_TOMBSTONE": "1s",
        "WORKER_ID": "w",
        "WORKER_SHUTDOWN_TIMEOUT": "8s",
        LEDGER_VARIABLE: str(ledger.path),
        **{name: str(value) for name, value in env.items()},
    }
    app = str(env.get("APP", "tests.integration.shard.program:app"))
    return ChildProcess([sys.executable, "-m", "tests.integration.shard.host", app], env=settings)
