"""Token buckets that all API processes share."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on

if TYPE_CHECKING:
    from shoal.broker.broker import Broker


class Lease(NamedTuple):
    """What a bucket gave; nothing: when to ask again, in seconds."""

    granted: int
    wait_s: float


class RateBuckets:
    """Leases tokens.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def take(self, name: str, rate: float, most: int, least: int, wanted: int) -> Lease:
        """At least ``least`` tokens, up to ``wanted``, or none.

        Args:
            name: Of the bucket.
            rate: Tokens that come into it each second.
            most: What it holds.
            least: Needed now; more than ``most`` is given when it is full, and paid for afterwards.
            wanted: Would be taken.
        """
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        key = keys.rate(self._broker.settings.namespace, digest)
        granted, wait_ms = await run_on(
            self._broker, key, "rate_take", f"{rate:.6f}", most, least, wanted
        )
        return Lease(granted, wait_ms / 1000)
