"""API keys as they stand in Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on
from shoal.model.api_key import MAX_API_KEYS, ApiKeyRecord
from shoal.model.role import Role, parse_scopes

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

log = logging.getLogger("shoal.broker")

PutStatus = Literal["new", "same", "exists", "too_many"]


class StoredKey(NamedTuple):
    """A key, and when it was last used (Unix ms by Redis' clock; 0 = never)."""

    record: ApiKeyRecord
    used_ms: int


class KeyReading(NamedTuple):
    """What one look at the keys says."""

    #: Another text whenever a key came or went.
    epoch: str
    #: ``None``: nothing has changed since the epoch that was named.
    keys: list[StoredKey] | None


class ApiKeyStore:
    """Reads and writes the API keys of a namespace.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._key = keys.api_keys(broker.settings.namespace)

    async def put(self, record: ApiKeyRecord) -> PutStatus:
        """Store a new key; the same again changes nothing."""
        raw = msgspec.json.encode(record)
        reply = await run_on(self._broker, self._key, "api_key_put", record.id, raw, MAX_API_KEYS)
        status: PutStatus = reply.decode()
        return status

    async def revoke(self, key_id: str) -> bool:
        """Forget a key; whether there was one. API processes refuse it within 5 s."""
        reply = await run_on(self._broker, self._key, "api_key_revoke", key_id)
        return bool(reply == 1)

    async def read(self, known_epoch: str = "") -> KeyReading:
        """All keys by name, unless nothing has changed since ``known_epoch``."""
        reply = await run_on(self._broker, self._key, "api_key_read", known_epoch)
        epoch = reply[0].decode()
        if known_epoch and epoch == known_epoch:
            return KeyReading(epoch, None)
        found = []
        for raw, used in zip(reply[1::2], reply[2::2], strict=True):
            try:
                record = msgspec.json.decode(raw, type=ApiKeyRecord)
                Role.parse(record.role)
                parse_scopes(record.scopes)
            except (msgspec.MsgspecError, ValueError) as error:
                # It opens nothing; `shoal verify` says which it is.
                log.warning("an API key can't be read: %s", error)
            else:
                found.append(StoredKey(record, used))
        return KeyReading(epoch, sorted(found, key=lambda one: (one.record.name, one.record.id)))

    async def note_used(self, ids: Iterable[str]) -> None:
        """Note that these keys were used just now."""
        await run_on(self._broker, self._key, "api_key_used", *ids)
