"""Where Redis is."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.settings.checks import check_redis_url, redact_url
from shoal.settings.kinds import Duration, Text, Whole
from shoal.settings.setting import setting

DEFAULT_REDIS_URL = "redis://localhost:6379"


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where Redis is."""

    url: str | None = setting(
        "REDIS_URL", None, Text(check_redis_url, "URL"),
        "Where Redis is: redis://, rediss:// (TLS), unix:// or redis+cluster://.",
        is_secret=True, default_text="embedded under `shoal up`, otherwise redis://localhost:6379",
    )  # fmt: skip
    password: str | None = setting(
        "REDIS_PASSWORD",
        None,
        Text(),
        "Its password, when the URL does not hold it.",
        is_secret=True,
    )
    db: int = setting(
        "REDIS_DB", 0, Whole(0, 65_535),
        "Its database; only 0 on a cluster. The URL may name it instead.",
    )  # fmt: skip
    pool_size: int = setting(
        "REDIS_POOL_SIZE",
        100,
        Whole(1, 10_000, "connections"),
        "Without effect: a process keeps one connection to each server, and opens few for a moment.",
    )
    timeout_s: float = setting(
        "SHOAL_REDIS_TIMEOUT", 1.0, Duration(0.05, 60),
        "How long an answer may take before the outcome counts as unknown.",
    )  # fmt: skip

    @property
    def address(self) -> str:
        """The URL to connect to: the one set, or a Redis on this host."""
        return self.url or DEFAULT_REDIS_URL

    @property
    def shown_address(self) -> str:
        """The same without its password, for messages and logs."""
        return redact_url(self.address)
