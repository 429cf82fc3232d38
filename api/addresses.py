"""Where a request comes from, and what one address may do: how often it asks, and how often it guesses."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable

from aiohttp import web

from shoal.api.problems import Problem
from shoal.clock import mono_s

#: Keys that are not known: so many from one address within the window, and it must wait.
MAX_REFUSALS = 60
WINDOW_S = 60.0
#: How many addresses are remembered; when there are more, all are forgotten.
_MAX_KNOWN = 20_000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Addresses:
    """Knows which proxies to believe.

    Args:
        trusted: Networks of proxies.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in trusted)

    def is_trusted(self, address: str) -> bool:
        """Whether this is a proxy that is believed."""
        if not self._trusted:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._trusted)

    def of(self, request: web.Request) -> str:
        """The address of who asks: the last one of X-Forwarded-For that is no trusted proxy.

        What stands before it anybody could have written.
        """
        peer = request.remote or ""
        if not self._trusted or not self.is_trusted(peer):
            return peer
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for text in reversed(forwarded):
            address = text.strip()
            if not _is_address(address):
                return peer
            if not self.is_trusted(address):
                return address
        return peer


class AddressLimits:
    """What one address may do to this process.

    Args:
        rate: Requests each second; ``None`` = as many as it likes.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._burst = 0.0 if rate is None else max(1.0, 2 * rate)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._refusals: dict[str, tuple[int, float]] = {}

    @property
    def is_limited(self) -> bool:
        """Whether requests are counted at all."""
        return self._rate is not None

    def count(self, address: str) -> None:
        """One request more.

        Raises:
            Problem: ``rate_limited``.
        """
        if self._rate is None:
            return
        now_s = mono_s()
        tokens, at_s = self._buckets.get(address, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - at_s) * self._rate)
        if tokens < 1:
            raise limited("requests", self._rate, 0, (1 - tokens) / self._rate)
        if len(self._buckets) >= _MAX_KNOWN:
            self._buckets.clear()
        self._buckets[address] = tokens - 1, now_s

    def note_refusal(self, address: str) -> None:
        """It came with a key that is not known."""
        now_s = mono_s()
        count, since_s = self._refusals.get(address, (0, now_s))
        if now_s - since_s > WINDOW_S:
            count, since_s = 0, now_s
        if len(self._refusals) >= _MAX_KNOWN:
            self._refusals.clear()
        self._refusals[address] = count + 1, since_s

    def check_guesses(self, address: str) -> None:
        """Make sure that it has not guessed too often; then nothing that it sends is compared.

        Raises:
            Problem: ``rate_limited``.
        """
        if not self._refusals:
            return
        count, since_s = self._refusals.get(address, (0, 0.0))
        left_s = since_s + WINDOW_S - mono_s()
        if count >= MAX_REFUSALS and left_s > 0:
            raise limited("refusals", MAX_REFUSALS / WINDOW_S, 0, left_s)


def limited(what: str, rate: float, left: int, wait_s: float) -> Problem:
    """The problem of who is too fast, with the fields that say so (RateLimit, Retry-After)."""
    seconds = max(1, math.ceil(wait_s))
    return Problem(
        "rate_limited",
        f"At most {rate:g} {what} a second. Come again in {seconds} s.",
        retry_after_s=seconds,
        headers=fields(what, rate, left, seconds),
    )


def fields(what: str, rate: float, left: int, seconds: int) -> dict[str, str]:
    """The RateLimit fields (draft-ietf-httpapi-ratelimit-headers): the quota of a window, and what is left."""
    window_s = 1 if rate >= 1 else math.ceil(1 / rate)
    quota = max(1, math.floor(rate * window_s))
    return {
        "RateLimit-Policy": f'"{what}";q={quota};w={window_s}',
        "RateLimit": f'"{what}";r={max(0, left)};t={seconds}',
    }


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
