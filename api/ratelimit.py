"""How many tasks one principal may submit: a bucket in Redis, leased to processes in chunks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shoal.api.addresses import fields, limited
from shoal.api.gateway import Gateway
from shoal.api.principal import Principal
from shoal.broker.rates import RateBuckets
from shoal.clock import mono_s
from shoal.errors import ShoalError
from shoal.settings.api import ApiSettings

#: Tokens for how long are leased at once, in seconds.
CHUNK_S = 0.1
#: How long leased tokens are good, in seconds: what this process does not use, another may.
KEEP_S = 1.0
_MAX_KNOWN = 4096


@dataclass(slots=True)
class _Leased:
    """What this process has of one bucket."""

    tokens: int = 0
    until_s: float = 0.0


class SubmissionLimit:
    """Lets submissions in as fast as SHOAL_RATE_LIMIT says.

    Args:
        settings: The rate and the burst; without a rate nothing is counted.
        gateway: To Redis.
    """

    def __init__(self, settings: ApiSettings, gateway: Gateway) -> None:
        self._gateway = gateway
        self._rate = settings.rate_limit
        rate = settings.rate_limit or 0.0
        self._most = settings.rate_burst or max(1, round(2 * rate))
        self._chunk = max(1, round(rate * CHUNK_S))
        self._leased: dict[str, _Leased] = {}
        # Of one principal one lease at a time; who waits finds what it brought.
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def is_on(self) -> bool:
        """Whether there is a limit."""
        return self._rate is not None

    async def take(self, principal: Principal, cost: int) -> dict[str, str]:
        """Let ``cost`` tasks in; the RateLimit fields of the answer.

        Most calls find tokens here, and Redis is not asked.

        Raises:
            Problem: ``rate_limited``; nothing was let in.
        """
        if self._rate is None:
            return {}
        name = principal.name
        leased = self._leased.get(name)
        if leased is None or leased.until_s < mono_s() or leased.tokens < cost:
            lock = self._locks.setdefault(name, asyncio.Lock())
            async with lock:
                leased = await self._lease(name, cost)
        leased.tokens -= cost
        return fields("tasks", self._rate, leased.tokens, 1)

    async def _lease(self, name: str, cost: int) -> _Leased:
        leased = self._leased.get(name)
        now_s = mono_s()
        if leased is None or leased.until_s < now_s:
            leased = _Leased()
        if leased.tokens >= cost:
            return leased  # another request brought it meanwhile
        rate = self._rate or 1.0
        least = cost - leased.tokens
        try:
            buckets = RateBuckets(self._gateway.connection.broker)
            lease = await buckets.take(name, rate, self._most, least, max(least, self._chunk))
        except ShoalError:
            # Redis is away, and so is what would be submitted: that is the answer to give.
            return _Leased(cost)
        if not lease.granted:
            raise limited("tasks", rate, leased.tokens, lease.wait_s)
        leased.tokens += lease.granted
        leased.until_s = mono_s() + KEEP_S
        if len(self._leased) >= _MAX_KNOWN:
            self._leased.clear()
            self._locks = {name: self._locks[name]}
        self._leased[name] = leased
        return leased
