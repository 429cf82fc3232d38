"""What a shard hears from Redis: wake-ups, urgent work, cancels. One subscriber connection per master.

A message only says that there is more to read. What was published while nobody was subscribed is
made up for by one claim after every (re)subscription, so each of those is reported as a signal too.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import hiredis

from shoal.broker.address import Address
from shoal.broker.broker import Broker
from shoal.broker.connection import Connection, connect
from shoal.errors import BrokerUnavailable
from shoal.model.backoff import Backoff

log = logging.getLogger("shoal.broker")

#: How often a silent subscription is pinged, in seconds: a dead peer sends nothing either.
PING_S = 5.0


class Signal(NamedTuple):
    """Something heard.

    Attributes:
        kind: ``wake`` = tasks of ``queue`` became ready; ``urgent`` = work of ``priority`` where there was
            none; ``returned`` = ``tasks`` of a dead worker went back; ``isolated`` = isolated tasks of
            ``queue`` wait for an isolation shard;
            ``cancel`` = the cancel of ``task_id`` is requested; ``outbox`` = there are notices to deliver;
            ``subscribed`` = claim once, something may have been missed.
        hops: How many workers a wake-up has passed through.
    """

    kind: Literal["wake", "urgent", "returned", "isolated", "cancel", "outbox", "subscribed"]
    partition: int
    queue: str = ""
    hops: int = 0
    priority: int = 0
    task_id: bytes = b""
    tasks: int = 0


class Wakeups:
    """Subscribes to an incarnation's channels in every partition, for as long as the block lasts.

    Use as ``async with Wakeups(broker, incarnation) as wakeups: async for signal in wakeups: ...``.
    """

    def __init__(self, broker: Broker, incarnation: str) -> None:
        self._broker = broker
        self._incarnation = incarnation
        self._signals: asyncio.Queue[Signal] = asyncio.Queue()
        self._stack = AsyncExitStack()
        self._by_channel: dict[bytes, int] = {}
        self._topology_changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        runner = group.create_task(self._keep())
        self._stack.callback(runner.cancel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def __aiter__(self) -> AsyncIterator[Signal]:
        return self

    async def __anext__(self) -> Signal:
        return await self._signals.get()

    def pending(self) -> list[Signal]:
        """What has been heard and not yet been read, without waiting."""
        out = []
        while not self._signals.empty():
            out.append(self._signals.get_nowait())
        return out

    async def _keep(self) -> None:
        """One listener for each master, anew whenever the slots' masters change."""
        topology = self._broker.topology
        topology.watchers.add(self._topology_changed)
        try:
            while True:
                self._topology_changed.clear()
                version = topology.version
                async with asyncio.TaskGroup() as group:
                    listeners = [
                        group.create_task(self._listen(address, partitions))
                        for address, partitions in self._by_address().items()
                    ]
                    await self._topology_changed.wait()
                    for listener in listeners:
                        listener.cancel()
                await self._refresh(version)
        finally:
            topology.watchers.discard(self._topology_changed)

    def _by_address(self) -> dict[Address, list[int]]:
        by_address: dict[Address, list[int]] = {}
        for partition in range(self._broker.partitions):
            with suppress(BrokerUnavailable):
                address = self._broker.node_of_partition(partition).address
                by_address.setdefault(address, []).append(partition)
        return by_address

    async def _refresh(self, version: int) -> None:
        try:
            await self._broker.topology.refresh(seen=version)
        except BrokerUnavailable as error:
            log.debug("the topology can't be read now: %s", error)
            await asyncio.sleep(0.25)

    async def _listen(self, address: Address, partitions: list[int]) -> None:
        """Subscribe on one master for ever; a refusal means that slots have moved."""
        timeout_s = self._broker.settings.redis.timeout_s
        backoff = Backoff()
        while True:
            try:
                connection = await connect(address, timeout_s)
            except BrokerUnavailable:
                await asyncio.sleep(backoff.next_s())
                continue
            try:
                connection.on_push = self._hear
                for partition in partitions:
                    channels = self._channels(partition)
                    for channel in channels:
                        self._by_channel[channel.encode()] = partition
                    connection.send("SSUBSCRIBE", *channels)
                backoff.reset()
                await self._until_closed(connection)
            finally:
                connection.abort("the subscription ends")
            await asyncio.sleep(backoff.next_s())

    def _channels(self, partition: int) -> tuple[str, ...]:
        keys = self._broker.keys[partition]
        return keys.signal_channel(self._incarnation), keys.urgent_channel

    async def _until_closed(self, connection: Connection) -> None:
        while not connection.closed.done():
            heard = connection.last_data
            connection.send("PING")
            await asyncio.wait([connection.closed], timeout=PING_S)
            if connection.last_data == heard and not connection.closed.done():
                return

    def _hear(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            # MOVED: the slot of one of the channels has another master now.
            self._topology_changed.set()
            return
        kind, *rest = reply if isinstance(reply, list) else [reply]
        if kind == b"smessage":
            self._message(rest[0], rest[1])
        elif kind == b"ssubscribe":
            self._subscribed(self._by_channel[rest[0]])
        elif kind == b"sunsubscribe":
            self._topology_changed.set()

    def _subscribed(self, partition: int) -> None:
        self._signals.put_nowait(Signal("subscribed", partition))

    def _message(self, channel: bytes, message: bytes) -> None:
        partition = self._by_channel[channel]
        words = message.split(b" ")
        if words[0] == b"wake":
            signal = Signal("wake", partition, words[1].decode(), int(words[2]))
        elif words[0] == b"cancel":
            signal = Signal("cancel", partition, task_id=words[1])
        elif words[0] == b"returned":
            signal = Signal("returned", partition, tasks=int(words[1]))
        elif words[0] == b"outbox":
            signal = Signal("outbox", partition)
        elif words[0] == b"isolated":
            signal = Signal("isolated", partition, words[1].decode())
        else:
            signal = Signal("urgent", partition, priority=int(words[0]))
        self._signals.put_nowait(signal)
