"""What the shard's own machinery does later in the event loop: when a reply comes, or in time.

One owner for all of it. A task that waits is held until it is done, all are cancelled at the end, and
an error in what is called, which can only be a bug, ends the shard instead of leaving it half alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Deferred:
    """Calls back in the event loop, for one incarnation."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = self._loop.create_future()
        self._is_closed = False

    def reply(
        self, call: Awaitable[T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Call ``then(reply, None)`` or ``then(None, error)`` once ``call``, already sent, is answered."""
        task: asyncio.Task[None] = asyncio.Task(
            self._wait(call, then), loop=self._loop, name="shoal-reply"
        )
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def soon(self, function: Callable[[], None]) -> None:
        """Call it in the loop's next turn."""
        self._loop.call_soon(self._call, function)

    def later(self, delay_s: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        """Call it after so many seconds, unless it is cancelled."""
        return self._loop.call_later(max(0.0, delay_s), self._call, function)

    def fail(self, error: BaseException) -> None:
        """Something of the shard's own broke: end it."""
        if not self._failed.done():
            self._failed.set_exception(error)

    async def raise_failure(self) -> None:
        """Wait until something called here fails, and raise that."""
        await asyncio.shield(self._failed)

    async def aclose(self) -> None:
        """Call nothing more; replies that still come are dropped."""
        self._is_closed = True
        waiting = list(self._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        if not self._failed.done():
            self._failed.cancel()
        elif not self._failed.cancelled():
            self._failed.exception()  # so that asyncio does not report it a second time

    def _call(self, function: Callable[[], None]) -> None:
        if self._is_closed:
            return
        try:
            function()
        except Exception as error:  # noqa: BLE001 - raised where the shard waits for it
            self.fail(error)

    async def _wait(
        self, call: Awaitable[Any], then: Callable[[Any, BaseException | None], None]
    ) -> None:
        reply: Any = None
        failed: Exception | None = None
        try:
            reply = await call
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller decides
            failed = error
        if self._is_closed:
            return
        try:
            then(reply, failed)
        except Exception as error:  # noqa: BLE001 - raised where the shard waits for it
            self.fail(error)
