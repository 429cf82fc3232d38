"""What is done later: called once, held while it waits, and never failing in silence."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shoal.shard.deferred import Deferred


@pytest_asyncio.fixture
async def deferred() -> AsyncIterator[Deferred]:
    """Closed at the end of the test."""
    made = Deferred()
    yield made
    await made.aclose()


async def test_a_reply_or_its_error_is_handed_over(deferred: Deferred) -> None:
    """Exactly one of both, once."""
    seen: list[tuple[int | None, BaseException | None]] = []

    async def answer() -> int:
        return 7

    async def refuse() -> int:
        raise OSError("away")

    deferred.reply(answer(), lambda reply, error: seen.append((reply, error)))
    deferred.reply(refuse(), lambda reply, error: seen.append((reply, error)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen[0] == (7, None)
    assert isinstance(seen[1][1], OSError)


@pytest.mark.parametrize("way", ["reply", "soon", "later"])
async def test_a_bug_in_what_is_called_is_raised_where_it_is_waited_for(
    deferred: Deferred, way: str
) -> None:
    """Whoever waits for failures gets it; nothing is swallowed."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    if way == "reply":
        deferred.reply(asyncio.sleep(0, 1), broken)
    elif way == "soon":
        deferred.soon(broken)
    else:
        deferred.later(0.001, broken)
    async with asyncio.timeout(5):
        with pytest.raises(ZeroDivisionError):
            await deferred.raise_failure()


async def test_after_its_close_nothing_is_called(deferred: Deferred) -> None:
    """Neither what waits for a reply nor what was to come soon."""
    seen: list[str] = []
    deferred.reply(asyncio.Event().wait(), lambda *_: seen.append("reply"))
    await asyncio.sleep(0)
    deferred.soon(lambda: seen.append("soon"))
    deferred.later(0.001, lambda: seen.append("later"))
    await deferred.aclose()
    await asyncio.sleep(0.01)
    assert seen == []
