"""How far a reader of events has read: an opaque text that any process can go on from."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

#: A cursor is never longer.
MAX_LENGTH = 1000
_VERSION = 1
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")


class EntryId(NamedTuple):
    """An entry of a stream; they compare as Redis orders them."""

    ms: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``<ms>-<number>``; empty = before all entries."""
        ms, _, number = text.partition("-")
        return cls(int(ms or 0), int(number or 0))

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"


#: Before all entries.
BEGIN = EntryId(0, 0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """What has been read of each stream: of the partitions by number, and last that of the namespace.

    Attributes:
        positions: The last entry that was begun of each stream.
        stream: Which stream's last entry has been read in part only; -1 = none.
        events: How many events of that entry have been read.
    """

    positions: tuple[EntryId, ...]
    stream: int = -1
    events: int = 0

    def encode(self) -> str:
        """The text that stands for it."""
        return encode(self.positions, self.stream, self.events)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read one that :meth:`encode` wrote.

        Raises:
            ValueError: It is none.
        """
        if len(text) > MAX_LENGTH or not _ALPHABET.fullmatch(text):
            raise ValueError("this is no id of an event")
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            raise ValueError("this is no id of an event") from None
        numbers = _varints(raw)
        if len(numbers) < 4 or numbers[0] != _VERSION or len(numbers) % 2:
            raise ValueError("this is no id of an event")
        _, newest, stream, events, *rest = numbers
        if any(back > newest for back in rest[0::2]):
            raise ValueError("this is no id of an event")
        positions = tuple(
            EntryId(newest - back, number)
            for back, number in zip(rest[0::2], rest[1::2], strict=True)
        )
        if stream > len(positions):
            raise ValueError("this is no id of an event")
        return cls(positions, stream - 1, events)


def encode(positions: Sequence[EntryId], stream: int = -1, events: int = 0) -> str:
    """A cursor's text: times are written as distances from the newest, so that they are short."""
    newest = max(positions)[0]
    numbers = [_VERSION, newest, stream + 1, events]
    for ms, number in positions:
        numbers.append(newest - ms)
        numbers.append(number)
    out = bytearray()
    for value in numbers:
        left = value
        while left > 0x7F:
            out.append(left & 0x7F | 0x80)
            left >>= 7
        out.append(left)
    return base64.urlsafe_b64encode(out).rstrip(b"=").decode()


def _varints(raw: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in raw:
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > 63:
            raise ValueError("this is no id of an event")
        if byte < 0x80:
            numbers.append(value)
            value, shift = 0, 0
    if shift:
        raise ValueError("this is no id of an event")
    return numbers
