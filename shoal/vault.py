"""Encryption at rest: seals texts of a task under keys that Redis never sees, and opens them.

What is sealed is AES-256-GCM under a key made for its task alone (HMAC-SHA256 of the task's id under
the configured key), so that random nonces can't meet however many tasks there are. The namespace, the
task's id and the name of the field are authenticated with it: moved elsewhere, it does not open.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import os
from typing import TYPE_CHECKING, Any, Final

from shoal.errors import CannotDecrypt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shoal.config import Settings
    from shoal.settings.keys import EncryptionKey

#: First byte of what is sealed, which also is the version of the form; no JSON begins with it.
SEALED: Final = b"\x01"
#: The same where only text may stand: this, then the sealed bytes in base64.
SEALED_TEXT: Final = "\x02"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class Vault:
    """The keys of a process.

    Args:
        keys: The first one seals, all of them open.
        namespace: Whose tasks.
    """

    def __init__(self, keys: Sequence[EncryptionKey], namespace: str) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM
        self._mismatch = InvalidTag
        self._namespace = namespace.encode()
        self._keys: Mapping[str, bytes] = {key.id: key.secret for key in keys}
        self._first = keys[0]
        first_id = self._first.id.encode()
        self._head = SEALED + bytes([len(first_id)]) + first_id

    def seal(self, owner: str, field: str, clear: bytes, *, is_repeatable: bool = False) -> bytes:
        """Seal one field of a task.

        Args:
            owner: The task's id.
            field: ``payload``, ``result``, …; it opens only as the same.
            clear: What nobody shall read.
            is_repeatable: The same again gives the same bytes, so that equals are known by them: the
                nonce is a keyed hash of all that is sealed. Otherwise it is random.
        """
        bound = self._bound(owner, field)
        if is_repeatable:
            nonce = hmac.digest(self._first.secret, b"nonce%b\0%b" % (bound, clear), "sha256")
            nonce = nonce[:_NONCE_BYTES]
        else:
            nonce = os.urandom(_NONCE_BYTES)
        sealed: bytes = self._of(self._first.secret, owner).encrypt(
            nonce, clear, self._head + bound
        )
        return self._head + nonce + sealed

    def seal_text(self, owner: str, field: str, clear: str, *, is_repeatable: bool = False) -> str:
        """The same from text to text without line breaks."""
        raw = clear.encode("utf-8", "replace")
        sealed = self.seal(owner, field, raw, is_repeatable=is_repeatable)
        return SEALED_TEXT + base64.b64encode(sealed).decode()

    def open(self, owner: str, field: str, sealed: bytes) -> bytes:
        """What ``seal`` was given for the same task and field.

        Raises:
            CannotDecrypt: Its key is not here, or it was sealed for something else, or changed.
        """
        key_id, head_bytes = _read_head(sealed)
        secret = self._keys.get(key_id)
        if secret is None:
            raise CannotDecrypt(key_id, "which SHOAL_ENCRYPTION_KEYS does not hold here")
        nonce_end = head_bytes + _NONCE_BYTES
        bound = sealed[:head_bytes] + self._bound(owner, field)
        try:
            clear: bytes = self._of(secret, owner).decrypt(
                sealed[head_bytes:nonce_end], sealed[nonce_end:], bound
            )
        except self._mismatch:
            raise CannotDecrypt(
                key_id, f"but not as the {field} of {owner}, or with another key of that name"
            ) from None
        return clear

    def _of(self, secret: bytes, owner: str) -> Any:
        own = b"task\0%b\0%b" % (self._namespace, owner.encode())
        return self._cipher(hmac.digest(secret, own, "sha256"))

    def _bound(self, owner: str, field: str) -> bytes:
        return b"\0%b\0%b\0%b" % (self._namespace, owner.encode(), field.encode())

    @staticmethod
    def of(settings: Settings) -> Vault | None:
        """The vault of these settings; ``None``: nothing is encrypted."""
        keys = settings.encryption.keys
        return _vault(keys, settings.namespace) if keys else None


@functools.lru_cache(maxsize=8)
def _vault(keys: tuple[EncryptionKey, ...], namespace: str) -> Vault:
    return Vault(keys, namespace)


def open_bytes(vault: Vault | None, owner: str, field: str, stored: bytes) -> bytes:
    """What was stored, opened if it is sealed.

    Raises:
        CannotDecrypt: See ``Vault.open``; or there are no keys here at all.
    """
    if not stored.startswith(SEALED):
        return stored
    if vault is None:
        raise CannotDecrypt(_read_head(stored)[0], "and SHOAL_ENCRYPTION_KEYS is not set here")
    return vault.open(owner, field, stored)


def open_text(vault: Vault | None, owner: str, field: str, stored: str) -> str:
    """The same of a text; what only looks as if it were sealed stays as it is."""
    if not stored.startswith(SEALED_TEXT):
        return stored
    try:
        sealed = base64.b64decode(stored[1:], validate=True)
    except (binascii.Error, ValueError):
        return stored
    if not sealed.startswith(SEALED):
        return stored
    return open_bytes(vault, owner, field, sealed).decode("utf-8", "replace")


def _read_head(sealed: bytes) -> tuple[str, int]:
    """Id of the key, and where the nonce begins."""
    end = 2 + sealed[1] if len(sealed) > 1 else 2
    key_id = sealed[2:end].decode("ascii", "replace")
    if len(sealed) < end + _NONCE_BYTES + _TAG_BYTES or not key_id.isprintable():
        raise CannotDecrypt("?", "and damaged")
    return key_id, end
