"""Waiting for a condition instead of sleeping for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

DEFAULT_TIMEOUT_S = 10.0
DEFAULT_INTERVAL_S = 0.01


class NeverHappened(AssertionError):
    """What a test waited for did not come true in time."""

    def __init__(self, description: str, timeout_s: float, last: object) -> None:
        super().__init__(f"not within {timeout_s:g} s: {description} (last seen: {last!r})")
        self.description = description
        self.timeout_s = timeout_s


def wait_until(
    predicate: Callable[[], T],
    description: str,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    *,
    interval_s: float = DEFAULT_INTERVAL_S,
) -> T:
    """Poll until ``predicate`` returns something true, and return that.

    Args:
        predicate: Cheap and free of side effects; what it raises ends the wait at once.
        description: What is waited for, as a sentence for the failure.
        timeout_s: Seconds; the predicate is asked once more when they are over.
        interval_s: Seconds between two questions.

    Raises:
        NeverHappened: The time is over; says the description and the last value.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        is_last = time.monotonic() >= deadline
        value = predicate()
        if value:
            return value
        if is_last:
            raise NeverHappened(description, timeout_s, value)
        time.sleep(interval_s)


@overload
async def wait_until_async(
    predicate: Callable[[], Awaitable[T]],
    description: str,
    timeout_s: float = ...,
    *,
    interval_s: float = ...,
) -> T: ...
@overload
async def wait_until_async(
    predicate: Callable[[], T],
    description: str,
    timeout_s: float = ...,
    *,
    interval_s: float = ...,
) -> T: ...
async def wait_until_async(
    predicate: Callable[[], Any],
    description: str,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    *,
    interval_s: float = DEFAULT_INTERVAL_S,
) -> Any:
    """The same on an event loop; ``predicate`` may be a coroutine function.

    The time bounds the waiting between the questions, not a question itself.

    Raises:
        NeverHappened: The time is over; says the description and the last value.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        is_last = time.monotonic() >= deadline
        asked = predicate()
        value = await asked if inspect.isawaitable(asked) else asked
        if value:
            return value
        if is_last:
            raise NeverHappened(description, timeout_s, value)
        await asyncio.sleep(interval_s)
