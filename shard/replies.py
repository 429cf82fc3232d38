"""Waits for replies of the broker, and owns the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Replies:
    """Calls back with each reply, in the event loop.

    One for all calls of an incarnation: it holds the tasks that wait, so that none is lost, and
    cancels what is left at the end.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def expect(
        self, call: Awaitable[T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Call ``then(reply, None)`` or ``then(None, error)`` once ``call``, already sent, is answered."""
        task: asyncio.Task[None] = asyncio.Task(
            self._wait(call, then), loop=self._loop, name="shoal-reply"
        )
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _wait(
        self, call: Awaitable[Any], then: Callable[[Any, BaseException | None], None]
    ) -> None:
        reply: Any = None
        failed: Exception | None = None
        try:
            reply = await call
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller decides
            failed = error
        if not self._is_closed:
            then(reply, failed)

    async def aclose(self) -> None:
        """Wait for nothing more; replies that still come are dropped."""
        self._is_closed = True
        waiting = list(self._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
