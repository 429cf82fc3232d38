"""Grants: what a random text that somebody holds stands for, until it expires; sessions and tickets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on

if TYPE_CHECKING:
    from shoal.broker.broker import Broker


class GrantStore:
    """Reads and writes the grants of one kind.

    Only a hash of the text is stored, so that who reads Redis can't use it.

    Args:
        broker: Its connection is shared.
        kind: ``session`` or ``ticket``.
    """

    def __init__(self, broker: Broker, kind: str) -> None:
        self._broker = broker
        self._kind = kind

    async def put(self, text: str, value: bytes, lifetime_s: float) -> None:
        """Let ``text`` stand for ``value``."""
        lifetime_ms = max(1, round(lifetime_s * 1000))
        await run_on(self._broker, self._key(text), "grant_put", value, lifetime_ms)

    async def read(self, text: str) -> bytes | None:
        """What it stands for; ``None`` = nothing, or no more."""
        reply: bytes = await run_on(self._broker, self._key(text), "grant_read")
        return reply or None

    async def take(self, text: str) -> bytes | None:
        """What it stood for: from now on it stands for nothing. Of two who ask, one is told."""
        reply: bytes = await run_on(self._broker, self._key(text), "grant_take")
        return reply or None

    def _key(self, text: str) -> str:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return keys.grant(self._broker.settings.namespace, self._kind, digest)
