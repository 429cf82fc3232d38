"""A client of the WebSocket that keeps all that it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp

from tests.support.api import KEY, Ports
from tests.support.waiting import wait_until_async

Frame = dict[str, Any]


class LiveClient:
    """One connection, whose frames are read as they come."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[Frame] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            self.frames.append(json.loads(message.data))

    async def aclose(self) -> None:
        """Close it."""
        await self.socket.close()
        await self._reading

    async def closed(self) -> int | None:
        """Wait until the server closes it; the code."""
        async with asyncio.timeout(15):
            await self._reading
        return self.socket.close_code

    async def say(self, **message: Any) -> None:
        """Send a message."""
        await self.socket.send_str(json.dumps(message))

    async def sub(self, topic: str, **more: Any) -> Frame:
        """Subscribe, and wait for the answer."""
        n = len(self.of("subscribed"))
        await self.say(op="sub", topic=topic, **more)
        await self.wait(lambda: self.of("subscribed")[n:], f"{topic} is subscribed")
        return self.of("subscribed")[n]

    def of(self, kind: str, topic: str | None = None) -> list[Frame]:
        """Frames of a kind, and of a topic if one is given."""
        return [f for f in self.frames if f["kind"] == kind and topic in (None, f.get("topic"))]

    def events(self, name: str | None = None) -> list[Frame]:
        """Events so far, in order."""
        found = [event for frame in self.of("events") for event in frame["events"]]
        return [event for event in found if name in (None, event["type"])]

    def state(self, topic: str) -> dict[str, Any]:
        """What a topic says now, from its last snapshot and the deltas after it."""
        data: dict[str, Any] = {}
        version = None
        for frame in self.frames:
            if frame.get("topic") != topic or frame["kind"] not in ("snapshot", "delta"):
                continue
            if frame["kind"] == "snapshot":
                data = dict(frame["data"])
            else:
                assert version is not None
                assert frame["version"] == version + 1
                data.update(frame["data"])
                data = {name: value for name, value in data.items() if value is not None}
            version = frame["version"]
        return data

    async def wait(self, predicate: Callable[[], Any], description: str) -> Any:
        """Wait until something was sent."""
        return await wait_until_async(predicate, description, 10.0)


@contextlib.asynccontextmanager
async def live_client(
    ports: Ports,
    *,
    headers: Mapping[str, str] | None = None,
    query: str = "",
    key: str | None = KEY,
) -> AsyncIterator[LiveClient]:
    """A connection to an API process, after its ``hello``."""
    sent = {**({} if key is None else {"X-API-Key": key}), **(headers or {})}
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(
            f"http://127.0.0.1:{ports.public}/ws{query}", headers=sent
        )
        client = LiveClient(socket)
        try:
            await client.wait(lambda: client.of("hello"), "the server says hello")
            yield client
        finally:
            await client.aclose()
