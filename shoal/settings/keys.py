# ruff: noqa: D102, TRY004 - Kind documents the methods; a bad value is a ValueError of any type
"""The kind of setting that holds encryption keys."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import NamedTuple

#: AES-256.
KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_REMEDY = "write id:key,… with 32 random bytes in base64 each, as `openssl rand -base64 32` prints"


class EncryptionKey(NamedTuple):
    """One key by its name, which stands beside everything that it encrypts."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"EncryptionKey({self.id!r})"


@dataclass(frozen=True)
class Keys:
    """``id:base64,…``: 256-bit keys with names of their own; in ``shoal.toml`` also a list."""

    unit: str = "id:base64 keys, comma between"

    def convert(self, value: object) -> tuple[EncryptionKey, ...]:
        if isinstance(value, tuple) and all(isinstance(key, EncryptionKey) for key in value):
            return value
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError(f"is no list of keys; {_REMEDY}")
        keys: dict[str, EncryptionKey] = {}
        for number, part in enumerate(parts, 1):
            key = _read(str(part).strip(), number)
            if key.id in keys:
                raise ValueError(f"names the key {key.id} twice; each needs an id of its own")
            keys[key.id] = key
        return tuple(keys.values())

    def show(self, value: tuple[EncryptionKey, ...]) -> str:
        return ",".join(f"{key.id}:…" for key in value)


def _read(text: str, number: int) -> EncryptionKey:
    """The text is never quoted: it may be a key."""
    key_id, separator, encoded = text.partition(":")
    if not separator or not _KEY_ID.fullmatch(key_id):
        raise ValueError(
            f"has no id before its key {number}, 1 to 32 letters, digits, '_', '.' or '-'; {_REMEDY}"
        )
    try:
        plain = encoded.strip().replace("-", "+").replace("_", "/").rstrip("=")
        secret = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"has a key {key_id} that is not base64; {_REMEDY}") from None
    if len(secret) != KEY_BYTES:
        raise ValueError(f"has a key {key_id} of {len(secret)} bytes, not {KEY_BYTES}; {_REMEDY}")
    return EncryptionKey(key_id, secret)
