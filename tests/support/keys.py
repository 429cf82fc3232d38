"""API keys and tokens for tests."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt

from shoal.broker.api_keys import ApiKeyStore
from shoal.broker.broker import Broker
from shoal.config import Settings
from shoal.model.api_key import ApiKeyRecord, digest_of

SECRET = "the-secret-of-the-tests-for-tokens"
_ALPHABET = "abcdefghij"


def a_key(number: int = 0) -> str:
    """A well-formed key, another one for each number."""
    key_id = "".join(_ALPHABET[int(digit)] for digit in f"{number:010d}")
    return f"shoal_{key_id}_{'S' * 40}"


def record_of(key: str, role: str = "submitter", **changes: Any) -> ApiKeyRecord:
    """What is stored of a key."""
    fields: dict[str, Any] = {
        "id": key.split("_")[1],
        "name": f"{role}'s",
        "role": role,
        "digest": digest_of(key),
        "created_ms": round(time.time() * 1000),
        **changes,
    }
    return ApiKeyRecord(**fields)


def store_keys(url: str, *records: ApiKeyRecord) -> None:
    """Store keys in the namespace of API processes."""

    async def work(store: ApiKeyStore) -> None:
        for record in records:
            assert await store.put(record) == "new"

    _with_store(url, work)


def revoke_key(url: str, key_id: str) -> None:
    """Revoke a key, as ``shoal keys revoke`` does."""

    async def work(store: ApiKeyStore) -> None:
        assert await store.revoke(key_id)

    _with_store(url, work)


def _with_store(url: str, work: Any) -> None:
    async def run() -> None:
        broker = await Broker.connect(Settings.load({"REDIS_URL": url}))
        try:
            await work(ApiKeyStore(broker))
        finally:
            await broker.aclose()

    asyncio.run(run())


def token(role: str = "viewer", lifetime_s: int = 60, **changes: Any) -> str:
    """A token signed with ``SECRET``."""
    now = int(time.time())
    claims = {"sub": "ada", "role": role, "iat": now, "exp": now + lifetime_s, **changes}
    return jwt.encode(claims, SECRET, algorithm="HS256")
