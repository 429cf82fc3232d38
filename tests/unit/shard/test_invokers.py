"""Handlers run as everywhere in asyncio, and the page says whose code runs."""

import asyncio
import contextvars
import threading
from collections.abc import Generator
from typing import Any

import pytest

from shoal.page import Page
from shoal.shard.invokers import ThreadInvoker, run_marked
from tests.support.waiting import wait_until_async


def _executing(page: Page) -> int | None:
    """Whose code runs on the loop, by slot."""
    return page._words[5] - 1 if page._words[5] else None


@pytest.fixture
def page() -> Page:
    """A page with three slots."""
    return Page.create(3)


async def test_the_mark_stands_while_the_handlers_code_runs_and_not_while_it_waits(
    page: Page,
) -> None:
    """Slot 1 is marked at each step of its coroutine, and nobody while it sleeps."""
    seen: list[int | None] = []

    async def handler() -> str:
        seen.append(_executing(page))
        await asyncio.sleep(0.01)
        seen.append(_executing(page))
        return "done"

    page.executing(1)
    task = asyncio.ensure_future(_as_task(run_marked(handler(), page, 1)))
    await asyncio.sleep(0.002)
    assert _executing(page) is None
    assert await task == "done"
    assert seen == [1, 1]
    assert _executing(page) == 1  # whoever awaited it goes on in its name


async def _as_task(generator: Generator[Any, Any, Any]) -> Any:
    return await generator  # type: ignore[misc]


async def test_timeouts_and_cancellation_inside_a_handler_work(page: Page) -> None:
    """asyncio.timeout, wait_for, shield, TaskGroup and uncancel behave as without Shoal."""

    async def handler() -> list[str]:
        seen = []
        try:
            async with asyncio.timeout(0.005):
                await asyncio.sleep(10)
        except TimeoutError:
            seen.append("timeout")
        try:
            await asyncio.wait_for(asyncio.sleep(10), 0.005)
        except TimeoutError:
            seen.append("wait_for")
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        seen.append("group")
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            task.uncancel()
            seen.append("own cancel")
        return seen

    seen = await asyncio.create_task(_as_task(run_marked(handler(), page, 0)))
    assert seen == ["timeout", "wait_for", "group", "own cancel"]


async def test_a_cancel_from_outside_reaches_the_handler(page: Page) -> None:
    """It may clean up, waiting, with its slot marked; then the cancellation goes on."""
    seen: list[object] = []

    async def handler() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append(_executing(page))
            await asyncio.sleep(0)
            seen.append("cleaned up")

    task = asyncio.create_task(_as_task(run_marked(handler(), page, 2)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [2, "cleaned up"]


async def test_an_awaitable_that_is_no_coroutine_is_awaited_too(page: Page) -> None:
    """A handler may return a future."""
    future = asyncio.get_running_loop().create_future()
    future.set_result(7)
    assert await asyncio.create_task(_as_task(run_marked(future, page, 0))) == 7


@pytest.mark.parametrize(
    "error", [ValueError("x"), StopIteration(3), KeyboardInterrupt(), SystemExit(2)]
)
async def test_whatever_a_thread_raises_comes_back(page: Page, error: BaseException) -> None:
    """Also what a future could not hold, and what would end a thread."""
    invoker = ThreadInvoker(1, page)

    def function(_context: object, _payload: object) -> None:
        raise error

    with pytest.raises(RuntimeError if isinstance(error, StopIteration) else type(error)):
        # A coroutine turns a StopIteration into a RuntimeError, as Python does everywhere.
        await invoker.run(function, None, None, 0)
    assert await invoker.run(lambda _c, payload: payload, None, 5, 0) == 5
    invoker.close()


async def test_a_thread_sees_the_callers_context_and_is_marked_while_it_runs(page: Page) -> None:
    """Context variables are those of the task; the slot counts as executing until the function returns."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("mine")
    invoker = ThreadInvoker(2, page)
    may_end = threading.Event()
    page.set_slot(1, 0, b"token", b"id", b"type")

    def function(_context: object, _payload: object) -> str:
        may_end.wait(5)
        return variable.get()

    task = asyncio.create_task(invoker.run(function, None, None, 1))
    await wait_until_async(
        lambda: [slot.index for slot in page.snapshot().executing] == [1], "slot 1 executes"
    )
    may_end.set()
    assert await task == "mine"
    invoker.close()
