"""What a shard, its fork server and its process workers say to one another: frames of MessagePack.

A frame is four bytes of length, big-endian, and a tagged message. Nothing is pickled: payloads,
results and error documents travel as the JSON bytes that are stored.
"""

from __future__ import annotations

from typing import Final

import msgspec

_LENGTH_BYTES: Final = 4


class _Message(msgspec.Struct, tag=True, tag_field="kind", array_like=True):
    """Base of all messages: a tagged array."""


# --- a shard to its fork server, and back ----------------------------------------------------


class Spawn(_Message):
    """Fork a worker; the descriptor that comes along is its end of the socket. Answers ``Spawned``."""

    number: int


class Kill(_Message):
    """SIGKILL this worker if it still lives."""

    number: int


class Spawned(_Message):
    """The worker lives."""

    number: int
    pid: int


class Ended(_Message):
    """The worker has ended; as ``waitpid`` said it, or -1 when it could not be forked at all."""

    number: int
    wait_status: int


# --- a shard to a worker, and back -----------------------------------------------------------


class Run(_Message):
    """Run one task."""

    type: str
    id: str
    attempt: int
    metadata: dict[str, str]
    worker_id: str
    #: The payload's JSON.
    payload: bytes


class Stop(_Message):
    """The handler should stop: ``ctx.cancelled`` becomes true."""

    reason: str


class Done(_Message):
    """The handler returned; the result's JSON."""

    body: bytes


class Failed(_Message):
    """The handler raised, or its payload was refused; see ``shoal.shard.outcome.Raised``."""

    line: str
    body: bytes
    fingerprint: str
    is_final: bool
    delay_s: float | None
    is_bad_payload: bool


class Extend(_Message):
    """``ctx.extend``."""

    seconds: float


class Said(_Message):
    """``ctx.progress``, the last report, and ``ctx.log``, levels and messages."""

    progress: dict[str, float | str] | None
    lines: list[tuple[str, str]]


ToServer = Spawn | Kill
FromServer = Spawned | Ended
ToWorker = Run | Stop
FromWorker = Done | Failed | Extend | Said

_encoder = msgspec.msgpack.Encoder()


def pack(message: ToServer | FromServer | ToWorker | FromWorker) -> bytes:
    """A message as a frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Frames:
    """Puts frames together from whatever pieces a stream brings; decodes to ``kind``."""

    def __init__(self, kind: object) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[object]:
        """The messages that are whole now, in order."""
        self._bytes += data
        found: list[object] = []
        while len(self._bytes) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._bytes[:_LENGTH_BYTES], "big")
            if len(self._bytes) < end:
                break
            found.append(self._decoder.decode(bytes(self._bytes[_LENGTH_BYTES:end])))
            del self._bytes[:end]
        return found
