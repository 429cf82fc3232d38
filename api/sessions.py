"""Sessions: a browser's cookie; and tickets, which open one WebSocket.

Both are random texts. What they allow stands in Redis, so that any API process knows it, and a
logout ends it everywhere.
"""

from __future__ import annotations

import secrets
import time

import msgspec

from shoal.api.gateway import Gateway
from shoal.api.key_ring import KeyRing
from shoal.api.principal import Principal, refusal
from shoal.broker.grants import GrantStore
from shoal.clock import mono_s
from shoal.model.role import Role, parse_scopes

#: How long what a cookie allows is remembered without asking Redis, in seconds.
FRESH_S = 3.0
#: How long a ticket may be used, in seconds.
TICKET_S = 30.0
_MAX_KNOWN = 4096
#: Of a cookie or a ticket; more is not looked up.
_MAX_CHARS = 64
_STORED_KEY = "key:"


class _Grant(msgspec.Struct):
    """What a session or ticket allows, as stored."""

    name: str
    role: str
    scopes: list[str]
    expires_s: float | None


class Sessions:
    """Makes, knows and ends sessions and tickets.

    Args:
        gateway: To Redis.
        ring: A session ends with the key that it was begun with.
        admin: The principal of API_KEY: a session of another one is over.
    """

    def __init__(self, gateway: Gateway, ring: KeyRing, admin: Principal) -> None:
        self._gateway = gateway
        self._ring = ring
        self._admin = admin
        self._known: dict[str, tuple[Principal, float]] = {}

    async def begin(self, principal: Principal, lifetime_s: float) -> tuple[str, Principal]:
        """Log in: the cookie, and who it stands for.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        until_s = time.time() + lifetime_s
        if principal.expires_s is not None:
            until_s = min(until_s, principal.expires_s)
        held = principal._replace(expires_s=until_s, by_cookie=True)
        cookie = secrets.token_urlsafe(32)
        await self._store("session").put(cookie, _encode(held), until_s - time.time())
        return cookie, held

    async def find(self, cookie: str) -> Principal:
        """Who a cookie stands for.

        Raises:
            Problem: ``unauthorized``.
            BrokerUnavailable: It can't be known now: Redis is away.
        """
        now_s = mono_s()
        principal, seen_s = self._known.get(cookie, (None, 0.0))
        if principal is None or now_s - seen_s > FRESH_S:
            self._known.pop(cookie, None)
            principal = await self._look_up("session", cookie)
            principal = principal._replace(by_cookie=True)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[cookie] = principal, now_s
        await self._check(principal)
        return principal

    async def end(self, cookie: str) -> None:
        """Log out; here at once, in other processes within ``FRESH_S``."""
        self._known.pop(cookie, None)
        if len(cookie) <= _MAX_CHARS:
            await self._store("session").take(cookie)

    async def issue_ticket(self, principal: Principal) -> str:
        """A text that opens one WebSocket for this principal, within ``TICKET_S``."""
        ticket = secrets.token_urlsafe(32)
        await self._store("ticket").put(ticket, _encode(principal), TICKET_S)
        return ticket

    async def take_ticket(self, ticket: str) -> Principal:
        """Who a ticket stands for; it is used up by this.

        Raises:
            Problem: ``unauthorized``: it is not known, too old, or was used.
            BrokerUnavailable: Redis is away.
        """
        principal = await self._look_up("ticket", ticket, take=True)
        await self._check(principal)
        return principal

    async def _look_up(self, kind: str, text: str, *, take: bool = False) -> Principal:
        if not 0 < len(text) <= _MAX_CHARS:
            raise _unknown(kind)
        store = self._store(kind)
        raw = await (store.take(text) if take else store.read(text))
        if raw is None:
            raise _unknown(kind)
        grant = msgspec.json.decode(raw, type=_Grant)
        role, scopes = Role.parse(grant.role), parse_scopes(grant.scopes)
        return Principal(grant.name, role, scopes, grant.expires_s)

    async def _check(self, principal: Principal) -> None:
        """What was begun with a key that is gone since, or has expired, is over."""
        if principal.expires_s is not None and principal.expires_s <= time.time():
            raise refusal("This session has expired. Log in again.")
        name = principal.name
        if name.startswith(_STORED_KEY):
            is_known = await self._ring.has(name.removeprefix(_STORED_KEY))
        else:
            # Of a token's holder only the time decides; other names are those of an API_KEY.
            is_known = name.startswith("jwt:") or name == self._admin.name
        if not is_known:
            raise refusal("The key of this session is gone. Log in with another.")

    def _store(self, kind: str) -> GrantStore:
        return GrantStore(self._gateway.connection.broker, kind)


def _encode(principal: Principal) -> bytes:
    scopes = sorted(scope.value for scope in principal.scopes)
    return msgspec.json.encode(
        _Grant(principal.name, principal.role.word, scopes, principal.expires_s)
    )


def _unknown(kind: str) -> Exception:
    if kind == "session":
        return refusal("This session is over. Log in again.")
    return refusal("This ticket is not known, too old, or was used. Get another one.")
