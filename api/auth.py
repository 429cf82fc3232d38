"""Who asks, and what they may do.

An API key comes as ``Authorization: Bearer <key>`` or ``X-API-Key: <key>``. Each endpoint names the
least role it needs (``shoal.api.endpoints``); API_KEY has the highest.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import IntEnum
from typing import NamedTuple

from multidict import CIMultiDictProxy, istr

from shoal.api.problems import Problem

_AUTHORIZATION = istr("Authorization")
_API_KEY = istr("X-API-Key")
_BEARER = "bearer"


class Role(IntEnum):
    """What a principal may do; each may do what the ones before it may."""

    #: See tasks, queues and workers.
    VIEWER = 1
    #: Submit and cancel tasks.
    SUBMITTER = 2
    #: Pause, resume, requeue, purge.
    OPERATOR = 3
    #: Everything.
    ADMIN = 4


class Principal(NamedTuple):
    """Who asks."""

    #: Stands for the key in logs and key names; not the key itself.
    name: str
    role: Role


class Authenticator:
    """Knows the keys.

    Args:
        api_key: API_KEY; has the role ``ADMIN``.
    """

    def __init__(self, api_key: str) -> None:
        self._key = api_key.encode()
        name = "key-" + hashlib.sha256(b"shoal principal " + self._key).hexdigest()[:16]
        self._admin = Principal(name, Role.ADMIN)

    def authenticate(self, headers: CIMultiDictProxy[str]) -> Principal:
        """The principal whose key came with a request.

        Raises:
            Problem: ``unauthorized``: no key came, or none that is known.
        """
        offered = _offered(headers)
        if offered is None:
            raise _refusal("Send the key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.")
        # On bytes: compare_digest refuses text that is not ASCII. A header's bytes that are no
        # UTF-8 come as surrogates, which equal no key.
        if not hmac.compare_digest(offered.encode("utf-8", "surrogatepass"), self._key):
            raise _refusal("This API key is not known.")
        return self._admin


def _offered(headers: CIMultiDictProxy[str]) -> str | None:
    authorization = headers.get(_AUTHORIZATION)
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == _BEARER:
            return key.strip()
    return headers.get(_API_KEY)


def _refusal(detail: str) -> Problem:
    return Problem("unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="shoal"'})
