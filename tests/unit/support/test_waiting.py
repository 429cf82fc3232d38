"""Waiting for conditions."""

import asyncio

import pytest

from tests.support.waiting import NeverHappened, wait_until, wait_until_async


def test_returns_what_became_true() -> None:
    """The first true value of the predicate is what the wait returns."""
    values = iter([0, "", "here"])
    assert wait_until(lambda: next(values), "a value", interval_s=0) == "here"


def test_failure_says_what_was_waited_for() -> None:
    """A wait in vain names its description, its time and the last value."""
    with pytest.raises(NeverHappened, match=r"not within 0.01 s: the moon is blue .*: 0"):
        wait_until(lambda: 0, "the moon is blue", 0.01, interval_s=0.001)


def test_predicate_errors_end_the_wait() -> None:
    """An exception of the predicate is not waited over."""

    def fails() -> bool:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        wait_until(fails, "anything")


async def test_async_wait_takes_both_kinds_of_predicates() -> None:
    """On a loop a predicate may be a function or a coroutine function, and the loop goes on."""
    event = asyncio.Event()

    async def is_set() -> bool:
        return event.is_set()

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait_until_async(is_set, "set by another task"))
        group.create_task(wait_until_async(event.is_set, "the same"))
        await asyncio.sleep(0)
        event.set()
    assert waiting.result() is True


async def test_async_failure_says_what_was_waited_for() -> None:
    """A wait in vain fails on a loop too."""
    with pytest.raises(NeverHappened, match="never set"):
        await wait_until_async(lambda: False, "never set", 0.01, interval_s=0.001)
