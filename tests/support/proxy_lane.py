"""One direction of one proxied connection: where bytes wait, vanish or are cut off."""

import asyncio
import contextlib
from dataclasses import dataclass, field

CHUNK_BYTES = 65_536


@dataclass
class LaneFault:
    """What happens to the bytes of one direction, on every connection; changed while they flow."""

    delay_s: float = 0.0
    is_black_hole: bool = False
    #: Cleared while bytes are held back.
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    #: How many more bytes pass before connections are reset; ``None``: no limit.
    bytes_left: int | None = None

    def __post_init__(self) -> None:
        self.is_open.set()


class Lane:
    """Carries bytes from ``reader`` to ``writer`` in order, under a fault.

    Reading never waits for writing, so that what is held is known and the sender is not
    slowed: to the sender it looks as if the network had taken the bytes.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: LaneFault
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._fault = fault
        self._waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        #: Bytes read and neither passed on nor lost.
        self.held_bytes = 0
        self.passed_bytes = 0
        #: A black hole or a cut has taken bytes: the stream can't be mended.
        self.has_lost_bytes = False

    async def run(self) -> bool:
        """Carry until the sender is done.

        Returns:
            Whether the connection must now be reset, since bytes were cut off.
        """
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read())
            must_reset = await self._write()
            reading.cancel()
        return must_reset

    async def _read(self) -> None:
        now = asyncio.get_running_loop().time
        while data := await self._receive():
            if self._fault.is_black_hole:
                self.has_lost_bytes = True
                continue
            self.held_bytes += len(data)
            self._waiting.put_nowait((now() + self._fault.delay_s, data))
        self._waiting.put_nowait((now() + self._fault.delay_s, b""))

    async def _receive(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            return await self._reader.read(CHUNK_BYTES)
        return b""

    async def _write(self) -> bool:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._waiting.get()
            if (early := due - loop.time()) > 0:
                await asyncio.sleep(early)
            await self._fault.is_open.wait()
            if not data:
                with contextlib.suppress(OSError, RuntimeError):
                    self._writer.write_eof()
                return False
            allowed = self._take(len(data))
            with contextlib.suppress(ConnectionError):
                self._writer.write(data[:allowed])
                await self._writer.drain()
            self.passed_bytes += allowed
            self.held_bytes -= len(data)
            if allowed < len(data):
                self.has_lost_bytes = True
                return True

    def _take(self, size: int) -> int:
        if self._fault.bytes_left is None:
            return size
        allowed = min(size, self._fault.bytes_left)
        self._fault.bytes_left -= allowed
        return allowed
