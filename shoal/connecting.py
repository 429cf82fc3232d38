"""The connection of an application: opened when it is first needed, one for each event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shoal.handle import Results
from shoal.submitter import Submitter
from shoal.vault import Vault

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.config import Settings


class Connection:
    """A broker and what works on it, in one event loop."""

    def __init__(self, broker: Broker, settings: Settings, *, is_own: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self.broker = broker
        self.is_own = is_own
        self.submitter = Submitter(broker, settings.redis.timeout_s, Vault.of(settings))
        self.results = Results(broker)

    async def aclose(self) -> None:
        """Finish what was handed over; a broker of somebody else stays open."""
        await self.submitter.aclose()
        await self.results.aclose()
        if self.is_own:
            await self.broker.aclose()


class Connector:
    """Opens a connection when there is none."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._connecting: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def attach(self, connection: Connection) -> None:
        """Use this one."""
        self._connection = connection

    async def connection(self, settings: Settings) -> Connection:
        """The connection, opened by these settings if there is none.

        Raises:
            BrokerUnavailable: Redis cannot be reached.
            StartupError: Redis may evict keys, or cannot serve Shoal.
            RuntimeError: There is one, in another event loop that still runs.
        """
        loop = asyncio.get_running_loop()
        connection = self._connection
        if connection is not None:
            if connection.loop is loop:
                return connection
            if not connection.loop.is_closed():
                raise RuntimeError(
                    "this Shoal is connected in another event loop; close it there (aclose), "
                    "or make one Shoal for each loop"
                )
            self._connection = None  # its loop is gone, and its connections with it
        if self._connecting is None or self._connecting[0] is not loop:
            self._connecting = (loop, asyncio.Lock())
        async with self._connecting[1]:
            if self._connection is None:
                from shoal.broker.broker import Broker

                broker = await Broker.connect(settings)
                self._connection = Connection(broker, settings, is_own=True)
            return self._connection

    async def aclose(self) -> None:
        """Finish what was handed over and close what was opened; the next need opens anew."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.loop is asyncio.get_running_loop():
            await connection.aclose()
