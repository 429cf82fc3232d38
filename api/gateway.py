"""The API process's way to Redis: connected, or not yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

from shoal.broker.broker import Broker
from shoal.broker.registry import Registry
from shoal.config import Settings
from shoal.errors import BrokerUnavailable, ShoalError
from shoal.handle import Results
from shoal.model.backoff import Backoff
from shoal.submitter import Submitter
from shoal.telemetry.logs import logger
from shoal.vault import Vault


class Connection:
    """A broker and what works on it."""

    def __init__(self, broker: Broker, settings: Settings) -> None:
        self.broker = broker
        self.submitter = Submitter(broker, settings.redis.timeout_s, Vault.of(settings))
        self.results = Results(broker)
        self.registry = Registry(broker)

    async def aclose(self) -> None:
        """Finish what was handed over, and close."""
        await self.submitter.aclose()
        await self.results.aclose()
        await self.broker.aclose()


class Gateway:
    """Connects once, however long that takes; an async context manager.

    A process that starts while Redis is away answers honestly that it is. Once connected, the
    broker itself connects again after each loss.

    Args:
        settings: Where Redis is.
        answered: Told of each call that Redis answered; see :class:`shoal.broker.broker.Broker`.
    """

    def __init__(
        self, settings: Settings, answered: Callable[[str, float], None] | None = None
    ) -> None:
        self._settings = settings
        self._answered = answered
        self._connection: Connection | None = None
        self._why = "not connected to Redis yet"
        self._connecting: asyncio.Task[None] | None = None
        #: Set when Redis was reached and cannot serve Shoal: nothing but an operator helps then.
        self.failed: asyncio.Future[ShoalError] = asyncio.get_running_loop().create_future()

    @property
    def connection(self) -> Connection:
        """What to work with.

        Raises:
            BrokerUnavailable: Redis has not been reached since the start; nothing was sent.
        """
        if self._connection is None:
            raise BrokerUnavailable(self._why)
        return self._connection

    def adopt(self, settings: Settings) -> None:
        """Have these limits and this retention from the next request on."""
        self._settings = settings
        if self._connection is not None:
            self._connection.broker.adopt(settings)

    async def __aenter__(self) -> Self:
        """Try once.

        Raises:
            StartupError: Redis cannot serve Shoal.
        """
        try:
            await self._connect()
        except BrokerUnavailable as error:
            logger.warning("the API starts without Redis: {}", error)
            self._why = str(error)
            self._connecting = asyncio.create_task(self._keep_trying(), name="shoal-connect")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        if self._connection is not None:
            await self._connection.aclose()

    async def _connect(self) -> None:
        broker = await Broker.connect(self._settings)
        broker.answered = self._answered
        self._connection = Connection(broker, self._settings)

    async def _keep_trying(self) -> None:
        backoff = Backoff()
        while self._connection is None:
            await asyncio.sleep(backoff.next_s())
            try:
                await self._connect()
            except BrokerUnavailable as error:
                self._why = str(error)
            except ShoalError as error:
                self.failed.set_result(error)
                return
        logger.info("the API is connected to Redis")
