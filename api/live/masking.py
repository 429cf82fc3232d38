"""Unmasked frames end a WebSocket: RFC 6455 5.1 asks for it, and aiohttp's reader takes them."""

from __future__ import annotations

from typing import Any

#: A masked frame with an opcode that nobody may send: the reader ends the connection with 1002.
_FORBIDDEN = b"\x83\x80\0\0\0\0"
_MASKED = 0x80
_EXTENDED = {126: 2, 127: 8}


class MaskedFrames:
    """Stands before aiohttp's reader, follows the bounds of frames, and passes on what comes.

    Args:
        reader: aiohttp's.
    """

    __slots__ = ("_head", "_is_over", "_reader", "_skip")

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        #: Of a frame's head, what has come so far.
        self._head = bytearray()
        #: Bytes until the next frame's head.
        self._skip = 0
        self._is_over = False

    def feed_data(self, data: bytes) -> Any:
        """Take what came from the client; returns what the reader does."""
        if self._is_over or self._is_masked(data):
            return self._reader.feed_data(data)
        self._is_over = True
        return self._reader.feed_data(_FORBIDDEN)

    def feed_eof(self) -> None:
        """The client has ended."""
        self._reader.feed_eof()

    def _is_masked(self, data: bytes) -> bool:
        at, end, head = 0, len(data), self._head
        while at < end:
            if self._skip:
                taken = min(self._skip, end - at)
                self._skip -= taken
                at += taken
                continue
            head.append(data[at])
            at += 1
            if len(head) < 2:
                continue
            if not head[1] & _MASKED:
                return False
            size = head[1] & 0x7F
            more = _EXTENDED.get(size, 0)
            if len(head) < 2 + more:
                continue
            if more:
                size = int.from_bytes(head[2:], "big")
            self._skip = 4 + size
            head.clear()
        return True
