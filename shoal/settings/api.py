"""The HTTP doors: ports, keys, tokens, limits."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.settings.checks import (
    check_api_key,
    check_host,
    check_jwt_secret,
    check_network,
    check_origin,
)
from shoal.settings.kinds import Duration, Names, Number, Switch, Text, Whole
from shoal.settings.setting import PORT, setting


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The HTTP doors."""

    api_port: int = setting("API_PORT", 8080, PORT, "Port of the public API and the dashboard.")
    admin_port: int = setting("ADMIN_PORT", 8081, PORT, "Port of the admin API.")
    host: str | None = setting(
        "SHOAL_API_HOST", None, Text(check_host, "address"),
        "Address of this host that both listen on.", default_text="all",
    )  # fmt: skip
    jwt_secret: str | None = setting(
        "JWT_SECRET", None, Text(check_jwt_secret, "text, at least 32 bytes"),
        "Secret of tokens (JWT) signed with HS256, as `shoal token` makes them.",
        is_secret=True, default_text="`shoal up` makes one; otherwise such tokens are refused",
    )  # fmt: skip
    jwks_file: str | None = setting(
        "SHOAL_JWKS_FILE", None, Text(unit="path"),
        "JWK Set with the public keys of tokens signed with RS256, ES256 or EdDSA; read at the start.",
        default_text="such tokens are refused",
    )  # fmt: skip
    jwt_audience: str | None = setting(
        "SHOAL_JWT_AUDIENCE", None, Text(), "What `aud` of a token must name.",
        default_text="tokens must have no `aud`",
    )  # fmt: skip
    jwt_issuer: str | None = setting(
        "SHOAL_JWT_ISSUER", None, Text(), "What `iss` of a token must be.",
        default_text="not looked at",
    )  # fmt: skip
    jwt_max_lifetime_s: float = setting(
        "SHOAL_JWT_MAX_LIFETIME", 86_400.0, Duration(1, 366 * 86_400),
        "From `iat` to `exp` at most: a token that lives longer is refused.",
    )  # fmt: skip
    api_key: str | None = setting(
        "API_KEY", None, Text(check_api_key, "text, at least 16 bytes"),
        "Key that may do everything, on both ports.",
        is_secret=True, default_text="`shoal up` makes one, `shoal api` needs it",
    )  # fmt: skip
    session_lifetime_s: float = setting(
        "SHOAL_SESSION_LIFETIME", 43_200.0, Duration(60, 30 * 86_400),
        "How long a login by cookie (POST /api/v1/session) lasts.",
    )  # fmt: skip
    secure_cookies: bool = setting(
        "SHOAL_SECURE_COOKIES", False, Switch(),
        "Whether the cookie goes over TLS only, also where a proxy in front ends TLS.",
    )  # fmt: skip
    allowed_origins: tuple[str, ...] = setting(
        "SHOAL_ALLOWED_ORIGINS", (),
        Names(check_origin, "must be origins such as https://shoal.example.com, comma between"),
        "Origins of web pages, beside the API's own, that may act with a cookie or open /ws.",
        default_text="none",
    )  # fmt: skip
    rate_limit: float | None = setting(
        "SHOAL_RATE_LIMIT", None, Number(0.01, 10**7, "tasks a second"),
        "Tasks that one key, token or session's owner may submit each second, over all API processes.",
        default_text="no limit",
    )  # fmt: skip
    rate_burst: int | None = setting(
        "SHOAL_RATE_BURST", None, Whole(1, 10**8, "tasks"),
        "Tasks that may come at once after a pause.", default_text="what comes in 2 s, at least 1",
    )  # fmt: skip
    address_rate_limit: float | None = setting(
        "SHOAL_ADDRESS_RATE_LIMIT", None, Number(0.1, 10**7, "requests a second"),
        "Requests that one address may send each second to each API process.",
        default_text="no limit",
    )  # fmt: skip
    trusted_proxies: tuple[str, ...] = setting(
        "SHOAL_TRUSTED_PROXIES", (),
        Names(check_network, "must be addresses or networks such as 10.0.0.0/8, comma between"),
        "Proxies whose X-Forwarded-For is believed; of others it is not looked at.",
        default_text="none",
    )  # fmt: skip
    max_connections: int = setting(
        "SHOAL_MAX_CONNECTIONS", 10_000, Whole(1, 10**6, "connections"),
        "Connections to one port of one API process; more are answered with 503 and closed.",
    )  # fmt: skip
    max_connections_per_address: int = setting(
        "SHOAL_MAX_CONNECTIONS_PER_ADDRESS", 2_000, Whole(1, 10**6, "connections"),
        "The same from one address, other than a trusted proxy.",
    )  # fmt: skip
    metrics_public: bool = setting(
        "SHOAL_METRICS_PUBLIC", False, Switch(), "Whether /metrics is open without a key."
    )
