"""A subscriber that a test reads message by message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shoal.broker.broker import Broker
from shoal.broker.connection import connect

TIMEOUT_S = 5.0


class Heard:
    """Messages in the order in which they came."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.subscribed = asyncio.Event()
        self._wanted = 0

    def expect(self, channels: int) -> None:
        """So many subscriptions must be confirmed."""
        self._wanted = channels

    def push(self, reply: Any) -> None:
        """Called by the connection."""
        if reply[0] == b"ssubscribe":
            self._wanted -= 1
            if self._wanted == 0:
                self.subscribed.set()
        elif reply[0] == b"smessage":
            self._messages.put_nowait((reply[1].decode(), reply[2].decode()))

    async def next(self) -> tuple[str, str]:
        """The next message: channel and text.

        Raises:
            TimeoutError: None came.
        """
        async with asyncio.timeout(TIMEOUT_S):
            return await self._messages.get()

    def all_now(self) -> list[tuple[str, str]]:
        """What has come and was not yet read."""
        out = []
        while not self._messages.empty():
            out.append(self._messages.get_nowait())
        return out


@asynccontextmanager
async def listening(broker: Broker, partition: int, *channels: str) -> AsyncIterator[Heard]:
    """Subscribe to channels of one partition; the block begins when Redis has confirmed."""
    address = broker.node_of_partition(partition).address
    connection = await connect(address, TIMEOUT_S)
    heard = Heard()
    try:
        heard.expect(len(channels))
        connection.on_push = heard.push
        for channel in channels:
            connection.send("SSUBSCRIBE", channel)
        async with asyncio.timeout(TIMEOUT_S):
            await heard.subscribed.wait()
        yield heard
    finally:
        connection.abort("the test has heard enough")
        await connection.closed
