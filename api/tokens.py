"""Tokens (JWT): whether one is ours, and what it allows.

Each key of ours is bound to one algorithm. A token chooses among our keys by its ``alg`` and ``kid``,
never how a key is used, and nothing that it names (``jku``, ``x5u``, ``jwk``) is ever looked at.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jwt

from shoal.api.jwks import read_jwks
from shoal.api.principal import Principal, refusal
from shoal.config import Settings
from shoal.model.role import Role, parse_scopes

#: How far clocks may differ, in seconds.
LEEWAY_S = 5
MAX_SUBJECT_CHARS = 128
#: How many tokens are remembered as good; when there are more, all are forgotten.
_MAX_KNOWN = 4096


class VerifyingKey(NamedTuple):
    """A key of ours, and the one algorithm that it is used with."""

    algorithm: str
    key: Any
    #: Its name in the JWK Set; ``None`` for JWT_SECRET.
    kid: str | None = None


class TokenVerifier:
    """Knows the keys that sign tokens.

    Args:
        settings: JWT_SECRET, SHOAL_JWKS_FILE, and what a token must say.

    Raises:
        ConfigurationError: The JWK Set can't be used.
    """

    def __init__(self, settings: Settings) -> None:
        api = settings.api
        self._keys: list[VerifyingKey] = []
        if api.jwt_secret is not None:
            self._keys.append(VerifyingKey("HS256", api.jwt_secret.encode()))
        if api.jwks_file is not None:
            self._keys += [VerifyingKey(*key) for key in read_jwks(api.jwks_file)]
        self._audience = api.jwt_audience
        self._issuer = api.jwt_issuer
        self._max_lifetime_s = api.jwt_max_lifetime_s
        # By a hash of the whole token: of one with another byte nothing is known.
        self._known: dict[bytes, Principal] = {}

    def verify(self, token: str) -> Principal:
        """Who holds this token.

        Raises:
            Problem: ``unauthorized``.
        """
        raw = token.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(raw).digest()
        principal = self._known.get(digest)
        if principal is None:
            principal = self._verify(token)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[digest] = principal
        elif principal.expires_s is not None and principal.expires_s + LEEWAY_S <= time.time():
            del self._known[digest]
            raise refusal("This token has expired.")
        return principal

    def _verify(self, token: str) -> Principal:
        try:
            return self._principal(self._claims(token))
        except jwt.ExpiredSignatureError:
            raise refusal("This token has expired.") from None
        except Exception:  # noqa: BLE001 - whatever a token makes a library raise, it is no good token
            raise refusal("This token is not accepted.") from None

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if "crit" in header:
            raise jwt.InvalidTokenError
        for key in self._candidates(header):
            try:
                return jwt.decode(
                    token,
                    key.key,
                    algorithms=[key.algorithm],
                    audience=self._audience,
                    issuer=self._issuer,
                    leeway=LEEWAY_S,
                    options={"require": self._required()},
                )
            except jwt.InvalidSignatureError:
                continue
        raise jwt.InvalidSignatureError

    def _candidates(self, header: dict[str, Any]) -> Sequence[VerifyingKey]:
        algorithm, kid = header.get("alg"), header.get("kid")
        return [
            key
            for key in self._keys
            if key.algorithm == algorithm and (kid is None or key.kid is None or key.kid == kid)
        ]

    def _required(self) -> list[str]:
        required = ["exp", "iat", "sub"]
        if self._audience is not None:
            required.append("aud")
        if self._issuer is not None:
            required.append("iss")
        return required

    def _principal(self, claims: dict[str, Any]) -> Principal:
        issued, expires, subject = claims["iat"], claims["exp"], claims["sub"]
        for at in (issued, expires):
            if isinstance(at, bool) or not isinstance(at, int | float):
                raise jwt.InvalidTokenError
        if not 0 < expires - issued <= self._max_lifetime_s:
            raise jwt.InvalidTokenError
        if not (subject and len(subject) <= MAX_SUBJECT_CHARS and subject.isprintable()):
            raise jwt.InvalidTokenError
        role = Role.parse(claims["role"])
        scopes = parse_scopes(claims.get("scope", "").split())
        return Principal(f"jwt:{subject}", role, scopes, float(expires))
