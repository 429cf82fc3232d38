"""The API keys of the namespace, as this process knows them: at most ``MAX_AGE_S`` old."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time

from shoal.api.cluster import Shared
from shoal.api.gateway import Gateway
from shoal.api.principal import Principal, refusal
from shoal.broker.api_keys import ApiKeyStore, StoredKey
from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, ShoalError
from shoal.model.api_key import digest_of, id_in
from shoal.model.role import Role, parse_scopes
from shoal.telemetry.logs import logger

#: How often it is looked whether keys came or went, in seconds.
LOOK_S = 1.5
#: What is older than this is not relied on: a revoked key opens nothing after that, in seconds.
MAX_AGE_S = 5.0
#: A key that is not known may be new: so often at most, in seconds, is looked for its sake.
_LOOK_AGAIN_S = 0.25
#: How often it is noted which keys were used, in seconds.
NOTE_S = 10.0


class KeyRing:
    """Knows the keys that ``shoal keys`` made.

    A request with a known key costs no call to Redis.

    Args:
        gateway: To Redis.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._keys: dict[str, StoredKey] = {}
        self._principals: dict[str, Principal] = {}
        self._epoch = ""
        self._read_s = -MAX_AGE_S - 1
        self._used: set[str] = set()
        self._noted_s = mono_s()
        self._reading = Shared(self._read, _LOOK_AGAIN_S)

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            with contextlib.suppress(BrokerUnavailable):
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def aclose(self) -> None:
        """Wait for what is under way, and note the last uses."""
        await self._reading.aclose()
        with contextlib.suppress(ShoalError):
            await self._note_used()

    async def find(self, key: str) -> Principal:
        """Whose key this is.

        Raises:
            Problem: ``unauthorized``.
            BrokerUnavailable: It can't be known now: Redis is away.
        """
        key_id = id_in(key)
        if key_id is None:
            raise refusal("This API key is not known.")
        if key_id not in self._keys:
            await self._look_for(key_id)
        elif mono_s() - self._read_s > MAX_AGE_S:
            await self._reading.get()
        found = self._keys.get(key_id)
        # The same work whether there is one of this id or not.
        digest = "" if found is None else found.record.digest
        if not hmac.compare_digest(digest_of(key), digest) or found is None:
            raise refusal("This API key is not known.")
        principal = self._principals[key_id]
        if principal.expires_s is not None and principal.expires_s <= time.time():
            raise refusal("This API key has expired.")
        self._used.add(key_id)
        return principal

    async def has(self, key_id: str) -> bool:
        """Whether there still is a key of this id; raises ``BrokerUnavailable`` like ``find``."""
        if mono_s() - self._read_s > MAX_AGE_S:
            await self._reading.get()
        return key_id in self._keys

    async def _look_for(self, key_id: str) -> None:
        """Read until it is there, or a reading that began after this call says that it is not."""
        asked_s = mono_s()
        while key_id not in self._keys and self._read_s < asked_s:
            # So strangers cost a call now and then, however many they are.
            await asyncio.sleep(max(0.001, self._read_s + _LOOK_AGAIN_S - asked_s))
            await self._reading.get()

    async def _look(self) -> None:
        try:
            await self._reading.get()
            if self._used and mono_s() - self._noted_s > NOTE_S:
                await self._note_used()
        except BrokerUnavailable:
            raise
        except ShoalError as error:
            logger.warning("API keys can't be read: {}", error)

    async def _read(self) -> None:
        began_s = mono_s()
        reading = await ApiKeyStore(self._gateway.connection.broker).read(self._epoch)
        if reading.keys is not None:
            self._keys = {stored.record.id: stored for stored in reading.keys}
            self._principals = {key_id: _principal(key) for key_id, key in self._keys.items()}
            self._epoch = reading.epoch
        self._read_s = began_s

    async def _note_used(self) -> None:
        used, self._used = self._used, set()
        self._noted_s = mono_s()
        if used:
            await ApiKeyStore(self._gateway.connection.broker).note_used(sorted(used))


def _principal(stored: StoredKey) -> Principal:
    record = stored.record
    expires_s = None if record.expires_ms is None else record.expires_ms / 1000
    name = f"key:{record.id}"
    return Principal(name, Role.parse(record.role), parse_scopes(record.scopes), expires_s)
