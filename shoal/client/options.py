"""How a client reaches the API: where, as whom, with which limits; checked before anything is sent."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shoal import __version__
from shoal.client.library import httpx
from shoal.errors import ConfigurationError

Token = str | Callable[[], str]
Verify = bool | str | os.PathLike[str] | ssl.SSLContext
#: Within what a connection must stand, in seconds, unless less is given for the whole request.
_CONNECT_S: Final = 10.0
MAX_RETRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What ``Client`` was told.

    Raises:
        ConfigurationError: Something of it is wrong.
    """

    url: str
    admin_url: str | None = None
    key: str | None = field(default=None, repr=False)
    token: Token | None = field(default=None, repr=False)
    verify: Verify = True
    timeout_s: float = 30.0
    retries: int = 4
    max_connections: int = 100

    def __post_init__(self) -> None:
        _check_url("url", self.url)
        if self.admin_url is not None:
            _check_url("admin_url", self.admin_url)
        if self.key is not None and self.token is not None:
            raise ConfigurationError("give key or token, not both")
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            raise ConfigurationError("key: must be printable ASCII characters")
        if not self.timeout_s > 0:
            raise ConfigurationError(f"timeout: must be above 0 seconds, not {self.timeout_s:g}")
        if not 0 <= self.retries <= MAX_RETRIES:
            raise ConfigurationError(f"retries: must be 0 to {MAX_RETRIES}, not {self.retries}")
        if self.max_connections < 1:
            raise ConfigurationError("max_connections: must be at least 1")

    def base_of(self, path: str) -> str:
        """The URL that a path is added to: operators' addresses are at their own port."""
        base = self.url
        if self.admin_url is not None and path.startswith("/admin"):
            base = self.admin_url
        return base.rstrip("/")

    def headers(self) -> dict[str, str]:
        """Who asks; a token that is a function is asked for each request."""
        if self.key is not None:
            return {"X-API-Key": self.key}
        if self.token is not None:
            token = self.token if isinstance(self.token, str) else self.token()
            return {"Authorization": f"Bearer {token}"}
        return {}

    def timeout(self, wait_s: float = 0.0) -> httpx.Timeout:
        """The deadlines of a request that the server may keep waiting for so long on purpose."""
        return httpx.Timeout(self.timeout_s + wait_s, connect=min(self.timeout_s, _CONNECT_S))

    def limits(self) -> httpx.Limits:
        """Of the pool of connections; idle ones are closed before the server (30 s) would."""
        return httpx.Limits(
            max_connections=self.max_connections,
            max_keepalive_connections=self.max_connections,
            keepalive_expiry=20.0,
        )

    def tls(self) -> ssl.SSLContext | bool:
        """What httpx takes as ``verify``.

        Raises:
            ConfigurationError: The file of authorities can't be used.
        """
        if isinstance(self.verify, bool | ssl.SSLContext):
            return self.verify
        path = os.fspath(self.verify)
        try:
            if Path(path).is_dir():
                return ssl.create_default_context(capath=path)
            return ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or str(error)
            raise ConfigurationError(f"verify: {path!r} can't be used: {why}") from None


def user_agent() -> str:
    """What the client calls itself."""
    return f"shoal/{__version__}"


def _check_url(name: str, url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parsed = None
    if parsed is None or parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            f"{name}: must be a URL such as https://shoal.example.com:8080, not {url!r:.80}"
        )
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ConfigurationError(f"{name}: must have no user, query or fragment; give key or token")
