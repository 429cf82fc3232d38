"""How a handler's code is run: coroutines on the event loop, plain functions in threads.

Both mark on the shared page whose code is running now, so that the loop-lag watch and a look at a
dead shard's page name the task and not its neighbours.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shoal.page import Page

Steps = Generator[Any, Any, Any]


@types.coroutine
def run_marked(awaitable: Awaitable[Any], page: Page, slot: int) -> Steps:
    """Await a handler's coroutine, marking the page for as long as each step of it runs.

    It drives the coroutine by hand, as ``await`` would, in the asyncio task of whoever awaits it: so
    timeouts, cancellation and ``current_task`` work in the handler as everywhere. A generator and
    not a class with ``send``: the interpreter resumes it without a call of its own (measured: a
    third of the cost).

    The mark stands when it is called and when it returns; only while the handler waits it does not.
    """
    coroutine = awaitable if type(awaitable) is types.CoroutineType else _as_coroutine(awaitable)
    try:
        pending = coroutine.send(None)
    except StopIteration as done:
        return done.value
    while True:
        page.idle()
        try:
            sent = yield pending
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is goes to the handler
            page.executing(slot)
            try:
                pending = coroutine.throw(error)
            except StopIteration as done:
                return done.value
        else:
            page.executing(slot)
            try:
                pending = coroutine.send(sent)
            except StopIteration as done:
                return done.value


async def _as_coroutine(awaitable: Awaitable[Any]) -> Any:
    """Any awaitable, in the one form that can be driven by hand."""
    return await awaitable


class ThreadInvoker:
    """Runs plain functions in a pool of as many threads as the shard runs tasks at once.

    The pool is made when the first of them is called: most shards never need it.
    """

    __slots__ = ("_concurrency", "_page", "_pool")

    def __init__(self, concurrency: int, page: Page) -> None:
        self._concurrency = concurrency
        self._page = page
        self._pool: ThreadPoolExecutor | None = None

    async def run(
        self, function: Callable[[Any, Any], Any], context: Any, payload: Any, slot: int
    ) -> Any:
        """Call ``function(context, payload)`` in a thread, with a copy of the caller's context variables.

        Raises:
            BaseException: Whatever the function raised, SystemExit too.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="shoal-task")
        variables = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        self._page.idle()
        error, result = await loop.run_in_executor(
            self._pool, variables.run, self._call, function, context, payload, slot
        )
        self._page.executing(slot)
        if error is not None:
            raise error
        return result

    def _call(
        self, function: Callable[[Any, Any], Any], context: Any, payload: Any, slot: int
    ) -> tuple[BaseException | None, Any]:
        # An exception is handed over as a value: a future cannot hold a StopIteration, and a
        # KeyboardInterrupt must not end the pool's thread.
        self._page.in_thread(slot, running=True)
        try:
            return None, function(context, payload)
        except BaseException as error:  # noqa: BLE001 - user code must not end a shard
            return error, None
        finally:
            self._page.in_thread(slot, running=False)

    def close(self) -> None:
        """Take no more calls; a thread that still runs is left to the end of the process."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
