"""The open loop that sends at a set rate."""

import asyncio

import pytest

from loadtest.pacing import paced


async def test_every_send_happens_once_and_none_early() -> None:
    """All sends happen, in order, and the last begins when its time has come, not before."""
    begun: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def send(number: int) -> None:
        begun.append((number, loop.time() - start))

    done = await paced(1000, 50, send)
    assert [number for number, _ in begun] == list(range(50))
    assert all(at_s >= number / 1000 - 0.002 for number, at_s in begun)
    assert done.sent == 50
    assert done.seconds >= 0.048


async def test_a_slow_answer_holds_up_no_later_send() -> None:
    """The loop is open: sends do not wait for the answers to earlier ones."""
    all_begun = asyncio.Event()
    begun = 0

    async def send(_: int) -> None:
        nonlocal begun
        begun += 1
        if begun == 10:
            all_begun.set()
        await all_begun.wait()

    assert (await paced(1000, 10, send)).sent == 10


async def test_a_failing_send_ends_the_pacing() -> None:
    """What a send raises comes out, in the group of all that failed."""

    async def send(_: int) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ExceptionGroup) as caught:
        await paced(1000, 5, send)
    assert caught.group_contains(ConnectionError, match="gone")
