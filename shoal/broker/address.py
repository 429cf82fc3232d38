"""Where Redis is: REDIS_URL taken apart."""

import ssl
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from shoal.errors import ConfigurationError
from shoal.settings.redis import RedisSettings


@dataclass(frozen=True, slots=True)
class Address:
    """One server and how to log in; ``path`` is set for a Unix socket, then host and port are not used."""

    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    tls: bool = False
    ca_file: str | None = None

    def at(self, host: str, port: int) -> "Address":
        """Another server of the same cluster, with the same login."""
        return replace(self, host=host, port=port, path=None)

    @property
    def is_this_host(self) -> bool:
        """Whether the server can only be on the host that asks: a Unix socket or a loopback address."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, or ``None`` for plain connections."""
        return ssl.create_default_context(cafile=self.ca_file) if self.tls else None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def parse_url(settings: RedisSettings) -> tuple[Address, bool]:
    """The seed address, and whether it belongs to a cluster.

    Understands ``redis://``, ``rediss://`` (``?ssl_ca_certs=FILE``), ``unix://PATH?db=N`` and
    ``redis+cluster://`` / ``rediss+cluster://``. A password in the URL comes before REDIS_PASSWORD.

    Raises:
        ConfigurationError: The URL has another form, or a cluster is asked for a database but 0.
    """
    url = urlsplit(settings.address)
    query = {key: values[-1] for key, values in parse_qs(url.query).items()}
    scheme, _, form = url.scheme.partition("+")
    if scheme not in {"redis", "rediss", "unix"} or form not in {"", "cluster"}:
        raise ConfigurationError(
            [
                f"REDIS_URL: unknown scheme {url.scheme!r}; use redis://, rediss://, unix:// or redis+cluster://"
            ]
        )
    cluster = form == "cluster"
    try:
        db = int(
            query.get("db") or ("" if scheme == "unix" else url.path.strip("/")) or settings.db
        )
        port = url.port or 6379
    except ValueError as error:
        raise ConfigurationError([f"REDIS_URL: {error}"]) from None
    if cluster and db:
        raise ConfigurationError(["REDIS_DB: a cluster has only database 0"])
    address = Address(
        host=url.hostname or "localhost",
        port=port,
        path=unquote(url.path) if scheme == "unix" else None,
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else settings.password,
        db=db,
        tls=scheme == "rediss",
        ca_file=query.get("ssl_ca_certs"),
    )
    return address, cluster
