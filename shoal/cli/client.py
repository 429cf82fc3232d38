"""One broker for one command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shoal.app import Shoal
from shoal.config import Settings

T = TypeVar("T")


def with_app(work: Callable[[Shoal], Awaitable[T]]) -> T:
    """Connect, do the work, close; raises what the work raises.

    Raises:
        ConfigurationError: The settings are wrong.
        BrokerUnavailable: Redis cannot be reached.
    """
    settings = Settings.from_environment()

    async def run() -> T:
        async with Shoal(settings) as app:
            return await work(app)

    return asyncio.run(run())
