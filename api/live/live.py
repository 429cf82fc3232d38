"""All of an API process that is live: made with its state, running while it serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from shoal.api.live.board import Board
from shoal.api.live.hub import Hub
from shoal.broker.tracked import OperationStore

if TYPE_CHECKING:
    from shoal.api.gateway import Gateway
    from shoal.broker.results import Inspected
    from shoal.config import Settings

#: Connections of a process, WebSockets and streams together.
MAX_CONNECTIONS = 10_000


class Live:
    """The hub, the board, and how many clients there are.

    Args:
        gateway: To Redis.
        settings: Of the process.
        view: A task as clients see it.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        view: Callable[[Inspected], dict[str, Any]],
    ) -> None:
        self._gateway = gateway
        self.hub = Hub(gateway)
        self.board = Board(gateway, self.hub, settings, view, self._operation)
        self.connections = 0

    async def _operation(self, operation_id: str) -> dict[str, Any] | None:
        found = await OperationStore(self._gateway.connection.broker).find(operation_id)
        return None if found is None else found.to_json()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside, it works."""
        tasks = [
            asyncio.create_task(self.hub.run(), name="shoal-hub"),
            asyncio.create_task(self.board.run(), name="shoal-board"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.board.stats.aclose()
