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


_DEFAULT_SECRETS = ("changeme", "admin-secret")


def check_secret(text: str) -> str:
    """A secret that is not one of those everybody knows."""
    if text.strip().lower() in _DEFAULT_SECRETS:
        raise ValueError(
            "is a well-known default; set one of your own, such as `openssl rand -hex 32` prints"
        )
    return text
