"""One server that stays connected: it reconnects by itself, for ever, with backoff."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from shoal.broker.address import Address
from shoal.broker.connection import Argument, Connection, connect
from shoal.errors import BrokerUnavailable
from shoal.model.backoff import Backoff

log = logging.getLogger("shoal.broker")

#: A server that never answered is spoken of after so many seconds: until then the one who starts says it.
_SPEAK_AFTER_S = 10.0


class Node:
    """A server of the deployment, with at most one connection at a time.

    Args:
        address: Where it is.
        timeout_s: The deadline of calls and of connecting.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._connection: Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._last_error: BrokerUnavailable | None = None
        #: Called each time that connecting has failed.
        self.on_away: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls can be sent now."""
        return self._connection is not None and self._connection.is_open

    def call(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Send now.

        Raises:
            BrokerUnavailable: Not connected; nothing was sent.
        """
        connection = self._connection
        if connection is None:
            raise self._last_error or BrokerUnavailable(f"not connected to Redis at {self.address}")
        return connection.call(*arguments)

    async def connected(self) -> None:
        """Wait until it is connected, at most the timeout.

        Raises:
            BrokerUnavailable: It did not come; the reason is the last one seen.
        """
        if self._connection is not None:
            if self._connection.is_open:
                return
            # Lost a moment ago, and the keeper has not run since: a caller that comes again and again must wait.
            self._connected.clear()
        self.start()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connected.wait()
        except TimeoutError:
            raise (
                self._last_error or BrokerUnavailable(f"can't connect to Redis at {self.address}")
            ) from None

    def start(self) -> None:
        """Begin to keep the connection, if not begun."""
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        backoff = Backoff()
        said = False
        speak_s = time.monotonic() + _SPEAK_AFTER_S
        while True:
            try:
                connection = await connect(self.address, self._timeout_s)
            except BrokerUnavailable as error:
                self._last_error = error
                if not said and time.monotonic() >= speak_s:
                    log.warning("Redis is away: %s", error)
                    said = True
                if self.on_away is not None:
                    self.on_away()
                await asyncio.sleep(backoff.next_s())
                continue
            if said:
                log.info("Redis at %s is back", self.address)
                said = False
            backoff.reset()
            speak_s = 0.0
            self._connection = connection
            self._connected.set()
            await asyncio.shield(connection.closed)
            self._connected.clear()
            self._connection = None
            self._last_error = BrokerUnavailable(
                f"the connection to Redis at {self.address} was lost"
            )

    async def aclose(self) -> None:
        """Close for good; calls in flight fail."""
        keeper, connection = self._keeper, self._connection
        self._keeper = self._connection = None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        if connection is not None:
            connection.abort("closed")
            await connection.closed
