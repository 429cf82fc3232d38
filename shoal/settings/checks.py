"""Checks of the settings that are addresses and secrets."""

from __future__ import annotations

import ipaddress
import urllib.parse

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+cluster")


def check_redis_url(text: str) -> str:
    """A URL that Shoal can connect to, unchanged; ``ValueError`` says what is wrong with it."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in REDIS_SCHEMES:
        raise ValueError(
            "must begin with redis://, rediss://, unix:// or redis+cluster://, "
            "such as redis://localhost:6379"
        )
    parts = urllib.parse.urlsplit(text)
    if scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("must name a socket by its full path, such as unix:///run/redis.sock")
        return text
    try:
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("has a port that is no number from 0 to 65535") from None
    if not host or not rest:
        raise ValueError(f"must name a host, such as {scheme}://localhost:6379")
    if (database := parts.path.strip("/")) and not database.isdecimal():
        raise ValueError("must end in nothing or a database number, such as /0")
    return text


def url_database(url: str) -> int | None:
    """The database number that a Redis URL names (``/3`` or ``?db=3``), or ``None``."""
    parts = urllib.parse.urlsplit(url)
    named = urllib.parse.parse_qs(parts.query).get("db", [""])[0]
    if not named and parts.scheme != "unix":
        named = parts.path.strip("/")
    return int(named) if named.isdecimal() else None


def redact_url(url: str) -> str:
    """The URL without its password, for logs and ``repr``."""
    parts = urllib.parse.urlsplit(url)
    if parts.password is None:
        return url
    user, _, address = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{address}").geturl()


def check_host(text: str) -> str:
    """An IP address to listen on, unchanged; ``ValueError`` says what is wrong with it."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IP address such as 127.0.0.1, 0.0.0.0 or ::1") from None
    return text


#: What documentation, tutorials and compositions all over the world have; and their like.
_DEFAULT_SECRETS = frozenset(
    (
        "admin",
        "admin-secret",
        "change-me",
        "change_me",
        "changeit",
        "changeme",
        "default",
        "jwt-secret",
        "password",
        "secret",
        "supersecret",
        "test",
        "your-256-bit-secret",
        "your-secret-key",
    )
)
_MAKE_ONE = "set one of your own, such as `openssl rand -hex 32` prints"
#: The least length of a key, in bytes: below it, it could be found by trying.
MIN_KEY_BYTES = 16
#: The same of a secret that signs with HS256 (RFC 7518, 3.2).
MIN_JWT_SECRET_BYTES = 32


def check_api_key(text: str) -> str:
    """A key that is neither short nor one of those everybody knows."""
    return _checked_secret(text, MIN_KEY_BYTES)


def check_jwt_secret(text: str) -> str:
    """A secret that is neither short nor one of those everybody knows."""
    return _checked_secret(text, MIN_JWT_SECRET_BYTES)


def _checked_secret(text: str, least_bytes: int) -> str:
    word = text.strip().lower()
    # Also one that was only repeated until it was long enough.
    if word in _DEFAULT_SECRETS or any(
        len(word) % len(known) == 0 and known * (len(word) // len(known)) == word
        for known in _DEFAULT_SECRETS
        if word
    ):
        raise ValueError(f"is a well-known default; {_MAKE_ONE}")
    if len(text.encode("utf-8", "surrogatepass")) < least_bytes:
        raise ValueError(f"is too short, it must have at least {least_bytes} bytes; {_MAKE_ONE}")
    return text


def check_network(text: str) -> str:
    """An address or a network, unchanged; ``ValueError`` says what is wrong with it."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("must be addresses or networks such as 10.0.0.0/8") from None
    return text


def check_origin(text: str) -> str:
    """An origin of web pages, unchanged; ``ValueError`` says what is wrong with it."""
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.geturl() != text:
        raise ValueError("must be origins such as https://shoal.example.com")
    if parts.path or parts.query or parts.fragment:
        raise ValueError("must be origins, with nothing behind the host and port")
    return text
