"""One broker for one command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shoal.app import Shoal
from shoal.config import Settings

T = TypeVar("T")


def with_app(work: Callable[[Shoal], Awaitable[T]]) -> T:
    """Do the work, connected once it needs to be, and close; raises what the work raises.

    Raises:
        ConfigurationError: The settings are wrong.
        BrokerUnavailable: Redis cannot be reached.
    """
    app = Shoal(Settings.from_environment())
    if app.settings.log_level != "debug":
        # What goes wrong is said once, by the error; warnings about Redis are for its workers.
        logging.getLogger("shoal").setLevel(logging.ERROR)

    async def run() -> T:
        try:
            return await work(app)
        finally:
            await app.aclose()

    return asyncio.run(run())
