"""One multiplexed connection: many calls in flight, hiredis both ways, no retries.

redis-py's asyncio side packs commands in Python (four times hiredis' time for a settle of 100) and,
with a timeout set, makes a Task for every write; this protocol does neither. Replies come in the
order of the calls. A deadline belongs to the connection as a whole: when the oldest call has waited
too long with nothing arriving, the connection is closed and every outcome on it is unknown.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, cast

import hiredis

from shoal.broker.address import Address
from shoal.errors import BrokerUnavailable

#: More calls than this in flight on one connection are refused: something upstream has no bound.
MAX_IN_FLIGHT = 20_000

Argument = bytes | str | int | float


#: A whole command as bytes. Its stub takes tuples of one only.
_pack: Callable[[tuple[Argument, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]


class Connection(asyncio.Protocol):
    """A connection to one server, made by :func:`connect`.

    Args:
        timeout_s: How long the oldest call may wait while nothing arrives.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._reader = hiredis.Reader(replyError=_reply_error)
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        #: Monotonic time of the last bytes from the server.
        self.last_data = 0.0
        self._closing: Exception | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()
        #: Set by a subscriber: takes every reply, since pushes answer no call.
        self.on_push: Callable[[Any], None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls can be sent."""
        return self._transport is not None and self._closing is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop: hand each complete reply to the call it answers."""
        reader, waiting = self._reader, self._waiting
        self.last_data = monotonic()
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not False:
                if self.on_push is not None:
                    self.on_push(reply)
                    continue
                future = waiting.popleft()[0]
                if not future.done():
                    future.set_result(reply)
        except (hiredis.HiredisError, IndexError) as error:
            self.abort(f"bad reply from Redis: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: every call in flight has an unknown outcome."""
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
        why = self._closing or exc or "closed by Redis"
        while self._waiting:
            future = self._waiting.popleft()[0]
            if not future.done():
                future.set_exception(
                    BrokerUnavailable(
                        f"the connection to Redis was lost: {why}", outcome_unknown=True
                    )
                )
                # Nobody may be waiting any more; then the loss is no news to anybody.
                future.exception()
        if not self.closed.done():
            self.closed.set_result(None)

    def call(self, *arguments: Argument) -> asyncio.Future[Any]:
        """Send one command now; the future gets its reply, an error reply as a value.

        Raises:
            BrokerUnavailable: The connection is not open (nothing was sent), or too much is in flight.
        """
        transport = self._transport
        if transport is None or self._closing is not None:
            raise BrokerUnavailable("not connected to Redis")
        if len(self._waiting) >= MAX_IN_FLIGHT:
            raise BrokerUnavailable("too many calls to Redis are in flight")
        future = self._loop.create_future()
        transport.write(_pack(arguments))
        self._waiting.append((future, monotonic()))
        if self._watch is None:
            self._watch_later()
        return future

    def send(self, *arguments: Argument) -> None:
        """Write a command that is answered by pushes only (a subscription's)."""
        if self._transport is None:
            raise BrokerUnavailable("not connected to Redis")
        self._transport.write(_pack(arguments))

    def abort(self, why: str) -> None:
        """Close at once; calls in flight fail with an unknown outcome."""
        if self._closing is None:
            self._closing = BrokerUnavailable(why)
        if self._transport is not None:
            self._transport.abort()

    def _watch_later(self) -> None:
        interval = self._timeout_s / 4
        self._watch = self._loop.call_later(interval, self._check, monotonic() + interval)

    def _check(self, expected_at: float) -> None:
        now = monotonic()
        self._watch = None
        if not self._waiting:
            return
        # When this timer is late, somebody held the loop, and replies may lie unread in the socket:
        # only a check that ran on time says anything about Redis.
        on_time = now - expected_at < self._timeout_s / 4
        if on_time and now - max(self._waiting[0][1], self.last_data) > self._timeout_s:
            self.abort(f"no answer within {self._timeout_s:g} s")
            return
        self._watch_later()


def _reply_error(text: str) -> hiredis.ReplyError:
    return hiredis.ReplyError(text)


async def connect(address: Address, timeout_s: float, name: str = "shoal") -> Connection:
    """Open a connection, log in and select the database.

    Raises:
        BrokerUnavailable: It can't be reached in ``timeout_s``, or refuses the login.
    """
    loop = asyncio.get_running_loop()

    def protocol() -> Connection:
        return Connection(timeout_s)

    try:
        async with asyncio.timeout(timeout_s):
            if address.path:
                _, connection = await loop.create_unix_connection(protocol, address.path)
            else:
                _, connection = await loop.create_connection(
                    protocol, address.host, address.port, ssl=address.ssl_context()
                )
    except TimeoutError:
        raise BrokerUnavailable(
            f"no answer from Redis at {address} within {timeout_s:g} s"
        ) from None
    except OSError as error:
        raise BrokerUnavailable(f"can't connect to Redis at {address}: {error}") from None
    try:
        await _greet(connection, address, name)
    except BaseException:
        connection.abort("the greeting failed")
        raise
    return connection


async def _greet(connection: Connection, address: Address, name: str) -> None:
    calls = []
    if address.password:
        login = (address.username, address.password) if address.username else (address.password,)
        calls.append(connection.call("AUTH", *login))
    if address.db:
        calls.append(connection.call("SELECT", address.db))
    calls.append(connection.call("CLIENT", "SETNAME", name))
    for call in calls:
        reply = await call
        if isinstance(reply, hiredis.ReplyError):
            raise BrokerUnavailable(f"Redis at {address} refuses the connection: {reply}")
