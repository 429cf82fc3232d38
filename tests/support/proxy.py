"""A TCP proxy between Shoal and Redis that makes network faults, each by one call."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Literal, Self, TypeVar

from tests.support.ports import reserve_port
from tests.support.proxy_lane import Lane, LaneFault

T = TypeVar("T")
Direction = Literal["requests", "replies"]

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a loopback port and passes everything to one server; a context manager.

    Runs in a thread with a loop of its own, so it works on while the test's loop is busy or
    blocked. A call returns when its fault is in force; faults add up until ``heal``.
    Requests are what the client sends, replies what the server sends.

    Args:
        port: The server's port on loopback.
        host: The server's host.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._reservation = reserve_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._faults: dict[Direction, LaneFault] = {
            "requests": LaneFault(),
            "replies": LaneFault(),
        }
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        #: Connections accepted since the start.
        self.accepted = 0

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._reservation.port

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:<port>/0``, through the proxy."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """How many are open now."""
        return self._call(lambda: len(self._connections))

    def passed_bytes(self, direction: Direction) -> int:
        """How many bytes reached the other side, over the connections that are open."""
        return self._call(lambda: sum(lane.passed_bytes for lane in self._lanes(direction)))

    def held_bytes(self, direction: Direction) -> int:
        """How many bytes have arrived here and wait, over the connections that are open."""
        return self._call(lambda: sum(lane.held_bytes for lane in self._lanes(direction)))

    def delay(self, ms: float, direction: Direction = "replies") -> None:
        """Pass what arrives from now on ``ms`` milliseconds later; 0 ends it."""
        self._call(lambda: setattr(self._faults[direction], "delay_s", ms / 1000))

    def hold_requests(self) -> None:
        """Keep requests back; the client sees a server that does not answer."""
        self._call(self._faults["requests"].is_open.clear)

    def release_requests(self) -> None:
        """Pass on what ``hold_requests`` kept, in order."""
        self._call(self._faults["requests"].is_open.set)

    def hold_replies(self) -> None:
        """Keep replies back: the server has done what was asked, and the client can't know."""
        self._call(self._faults["replies"].is_open.clear)

    def release_replies(self) -> None:
        """Pass on what ``hold_replies`` kept, in order."""
        self._call(self._faults["replies"].is_open.set)

    def black_hole(self, *directions: Direction) -> None:
        """Swallow all bytes (of both directions when none is named) without closing anything.

        A connection that lost bytes is reset by ``heal``.
        """

        def swallow() -> None:
            for direction in directions or ("requests", "replies"):
                self._faults[direction].is_black_hole = True

        self._call(swallow)

    def cut_after(self, size: int, direction: Direction = "replies") -> None:
        """Pass ``size`` more bytes, over all connections; reset the one that brings more."""
        self._call(lambda: setattr(self._faults[direction], "bytes_left", size))

    def reset(self) -> None:
        """Reset (RST) every open connection. New ones are accepted as before."""
        self._call(self._reset_all)

    def down(self) -> None:
        """Reset every connection and refuse new ones, as if the server were dead."""
        self._await(self._stop_listening())
        self._call(self._reset_all)

    def up(self) -> None:
        """Accept connections again, after ``down``."""
        self._await(self._listen())

    def retarget(self, port: int) -> None:
        """Pass everything to another server of the same host from now on; open connections are reset."""

        def retarget() -> None:
            self._target = (self._target[0], port)
            self._reset_all()

        self._call(retarget)

    def heal(self) -> None:
        """End every fault: pass what was held, reset what lost bytes, listen."""

        def forget() -> None:
            for fault in self._faults.values():
                fault.delay_s, fault.is_black_hole, fault.bytes_left = 0.0, False, None
                fault.is_open.set()
            for connection in self._connections.values():
                if any(lane.has_lost_bytes for lane in connection.lanes.values()):
                    connection.reset()

        self._call(forget)
        self.up()

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._listen())
        return self

    def __exit__(self, *_exc: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._reservation.release()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    def _call(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return self._await(call())

    def _lanes(self, direction: Direction) -> list[Lane]:
        return [connection.lanes[direction] for connection in self._connections.values()]

    def _reset_all(self) -> None:
        for connection in self._connections.values():
            connection.reset()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    async def _close(self) -> None:
        await self._stop_listening()
        self._reset_all()
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished - self._connections.keys():
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=5)
        # Transports let go of their sockets in the loop's next round.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.accepted += 1
        try:
            to_server = await asyncio.open_connection(*self._target)
        except OSError:
            _close(writer, reset=True)
            return
        connection = _Connection((reader, writer), to_server, self._faults)
        self._connections[task] = connection
        try:
            await connection.run()
        finally:
            del self._connections[task]


class _Connection:
    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        faults: dict[Direction, LaneFault],
    ) -> None:
        self._writers = (client[1], server[1])
        self.lanes: dict[Direction, Lane] = {
            "requests": Lane(client[0], server[1], faults["requests"]),
            "replies": Lane(server[0], client[1], faults["replies"]),
        }
        self._reset = asyncio.Event()

    def reset(self) -> None:
        self._reset.set()

    async def run(self) -> None:
        carrying = [asyncio.create_task(lane.run()) for lane in self.lanes.values()]
        resetting = asyncio.create_task(self._reset.wait())
        try:
            unfinished: set[asyncio.Task[bool]] = set(carrying)
            while unfinished and not self._reset.is_set():
                done, _ = await asyncio.wait(
                    {*unfinished, resetting}, return_when=asyncio.FIRST_COMPLETED
                )
                unfinished.difference_update(done)
                ended = [task for task in done if task is not resetting and not task.cancelled()]
                if any(task.result() for task in ended):
                    self._reset.set()
        finally:
            for task in (*carrying, resetting):
                task.cancel()
            await asyncio.gather(*carrying, resetting, return_exceptions=True)
            for writer in self._writers:
                _close(writer, reset=self._reset.is_set())


def _close(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        connection = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
    else:
        writer.close()
