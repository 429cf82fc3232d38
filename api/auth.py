"""Who asks: by API key, by token (JWT), or by the cookie of a session.

A key or token comes as ``Authorization: Bearer …`` or ``X-API-Key: …``, never in an address. What each
endpoint needs is said in ``shoal.api.endpoints``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from multidict import CIMultiDictProxy, istr

from shoal.api.addresses import AddressLimits
from shoal.api.gateway import Gateway
from shoal.api.key_ring import KeyRing
from shoal.api.principal import Principal, refusal
from shoal.api.problems import Problem
from shoal.api.sessions import Sessions
from shoal.api.tokens import TokenVerifier
from shoal.config import Settings
from shoal.model.api_key import id_in
from shoal.model.role import Role

__all__ = ["COOKIE", "Authenticator", "Principal", "Role", "cookie_in"]

#: The name of a session's cookie.
COOKIE = "shoal_session"
_AUTHORIZATION = istr("Authorization")
_API_KEY = istr("X-API-Key")
_COOKIE = istr("Cookie")
_BEARER = "bearer"
#: How every token in its compact form begins: the base64 of ``{"``.
_TOKEN_START = "eyJ"  # noqa: S105 - no secret, but the form of all of them


class Authenticator:
    """Knows the keys, and who signs tokens.

    Args:
        settings: With API_KEY, which has the role ``ADMIN``.
        gateway: To Redis, where the other keys are.

    Raises:
        ConfigurationError: The JWK Set can't be used.
    """

    def __init__(self, settings: Settings, gateway: Gateway) -> None:
        self._key = (settings.api.api_key or "").encode("utf-8", "surrogatepass")
        name = "key-" + hashlib.sha256(b"shoal principal " + self._key).hexdigest()[:16]
        self._admin = Principal(name, Role.ADMIN)
        self.tokens = TokenVerifier(settings)
        self.ring = KeyRing(gateway)
        self.sessions = Sessions(gateway, self.ring, self._admin)
        self._origins = frozenset(settings.api.allowed_origins)
        self.addresses = AddressLimits(settings.api.address_rate_limit)

    async def authenticate(self, headers: CIMultiDictProxy[str], address: str = "") -> Principal:
        """The principal whose key, token or cookie came with a request.

        A header goes before a cookie. Redis is asked for keys it has not seen yet, and for cookies
        every few seconds.

        Args:
            headers: Of the request.
            address: Where it comes from.

        Raises:
            Problem: ``unauthorized``: nothing came, or nothing that is known; ``rate_limited``: too
                many wrong keys came from this address.
            BrokerUnavailable: Redis, which would know, is away.
        """
        offered = _offered(headers)
        if offered is not None:
            return await self.holder_of(offered, address)
        cookie = cookie_in(headers)
        if cookie is not None:
            return await self.sessions.find(cookie)
        raise refusal("Send a key or token as `Authorization: Bearer …` or `X-API-Key: …`.")

    async def holder_of(self, offered: str, address: str = "") -> Principal:
        """The principal of a key or token; raises like ``authenticate``."""
        if offered.startswith(_TOKEN_START) and offered.count(".") == 2:
            return self.tokens.verify(offered)
        if id_in(offered) is not None:
            return await self.ring.find(offered)
        # What is left has a length of its owner's choice, and might be guessed.
        self.addresses.check_guesses(address)
        # On bytes: compare_digest refuses text that is not ASCII. A header's bytes that are no
        # UTF-8 come as surrogates, which equal no key.
        raw = offered.encode("utf-8", "surrogatepass")
        if self._key and hmac.compare_digest(raw, self._key):
            return self._admin
        self.addresses.note_refusal(address)
        raise refusal("This API key is not known.")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Make sure that what a browser sends with a cookie was meant by a page of ours.

        Raises:
            Problem: ``forbidden``: another site's page sent it, or nothing says whose did.
        """
        if not self.is_own_origin(headers):
            raise Problem(
                "forbidden",
                "With a cookie, changes are taken from pages of this address only; programs send a "
                "key or token in a header instead.",
            )

    def is_own_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether a browser's request comes from a page of this address, or one that is allowed."""
        origin = headers.get("Origin")
        if origin is not None:
            if origin in self._origins:
                return True
            try:
                return urlsplit(origin).netloc == headers.get("Host") != ""
            except ValueError:
                return False
        return headers.get("Sec-Fetch-Site") == "same-origin"


def _offered(headers: CIMultiDictProxy[str]) -> str | None:
    authorization = headers.get(_AUTHORIZATION)
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == _BEARER:
            return key.strip()
    return headers.get(_API_KEY)


def cookie_in(headers: CIMultiDictProxy[str]) -> str | None:
    """The session's cookie; of several the first, as browsers send the most specific one first."""
    for header in headers.getall(_COOKIE, ()):
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE:
                return value
    return None
