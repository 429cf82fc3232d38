"""The settings of every Shoal process: one frozen object, read whole, checked whole, handed down.

Each field below is the one place that says a setting's name, kind, range, default and meaning;
``docs/configuration.md`` is made from them (``shoal.config_docs``). Nothing else in Shoal reads
the environment.
"""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from shoal.model.identity import check_queue, check_worker_id
from shoal.model.partition import MAX_PARTITIONS
from shoal.model.retry import MAX_RETRIES_LIMIT
from shoal.setting_checks import (
    check_api_key,
    check_host,
    check_jwt_secret,
    check_network,
    check_origin,
    check_redis_url,
    redact_url,
)
from shoal.setting_keys import EncryptionKey, Keys
from shoal.setting_kinds import (
    Choice,
    Duration,
    Kind,
    Names,
    Number,
    Size,
    Switch,
    Text,
    Whole,
)

DEFAULT_REDIS_URL = "redis://localhost:6379"


@dataclass(frozen=True, slots=True)
class Setting:
    """What there is to know about one setting."""

    #: Its name in the environment and in ``shoal.toml``; empty: only a command's option sets it.
    name: str
    kind: Kind
    meaning: str
    #: Never shown, and may stand in a file that ``NAME_FILE`` names.
    is_secret: bool = False
    #: How the docs show a default that is no fixed value.
    default_text: str = ""


def _setting(
    name: str,
    default: Any,
    kind: Kind,
    meaning: str,
    *,
    is_secret: bool = False,
    default_text: str = "",
) -> Any:
    about = {"setting": Setting(name, kind, meaning, is_secret, default_text)}
    if callable(default):
        return field(default_factory=default, metadata=about, repr=not is_secret)
    return field(default=default, metadata=about, repr=not is_secret)


def _host_worker_id() -> str:
    """The host's name, made to fit a worker id."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).lstrip("_.-")[:64]
    return name or "worker"


def _run_dir() -> str:
    """Where a user's running programs keep what others of the same user find them by."""
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if own:
        return f"{own}/shoal"
    return f"{tempfile.gettempdir()}/shoal-{os.getuid()}"


_WORKER_ID_RULE = (
    "must be 1 to 64 letters, digits, '_', '.' or '-', beginning with a letter or digit"
)
_PORT = Whole(1, 65_535, "port")
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


def _check_namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(
            "must be 1 to 32 letters, digits, '_', '.' or '-', not beginning with a sign"
        )
    return text


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where Redis is."""

    url: str | None = _setting(
        "REDIS_URL", None, Text(check_redis_url, "URL"),
        "Where Redis is: redis://, rediss:// (TLS), unix:// or redis+cluster://.",
        is_secret=True, default_text="embedded under `shoal up`, otherwise redis://localhost:6379",
    )  # fmt: skip
    password: str | None = _setting(
        "REDIS_PASSWORD",
        None,
        Text(),
        "Its password, when the URL does not hold it.",
        is_secret=True,
    )
    db: int = _setting(
        "REDIS_DB", 0, Whole(0, 65_535),
        "Its database; only 0 on a cluster. The URL may name it instead.",
    )  # fmt: skip
    pool_size: int = _setting(
        "REDIS_POOL_SIZE",
        100,
        Whole(1, 10_000, "connections"),
        "Without effect: a process keeps one connection to each server, and opens few for a moment.",
    )
    timeout_s: float = _setting(
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


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How the shards of a host work."""

    id: str = _setting(
        "WORKER_ID", _host_worker_id,
        Text(check_worker_id, "name", _WORKER_ID_RULE),
        "Name of this host among the workers; shard n is `<WORKER_ID>-<n>`.",
        default_text="the host's name",
    )  # fmt: skip
    concurrency: int = _setting(
        "WORKER_CONCURRENCY", 10, Whole(1, 10_000, "tasks"), "Tasks that one shard runs at once."
    )
    heartbeat_s: float = _setting(
        "WORKER_HEARTBEAT_INTERVAL", 5.0, Duration(0.5, 60),
        "How often a shard reports; after 3 missed reports it counts as lost.",
    )  # fmt: skip
    shutdown_timeout_s: float = _setting(
        "WORKER_SHUTDOWN_TIMEOUT", 30.0, Duration(4, 86_400),
        "Within what a stopping worker is gone; the last 3 s are for handing back what still runs.",
    )  # fmt: skip
    shards: int | None = _setting(
        "SHOAL_SHARDS", None, Whole(1, 1024, "processes"),
        "Shards (processes) of this host.", default_text="cores - 1, at least 1",
    )  # fmt: skip
    lease_s: float = _setting(
        "SHOAL_LEASE", 15.0, Duration(3, 3600),
        "How long a claim holds without being renewed; the same on every host.",
    )  # fmt: skip
    max_crashes: int = _setting(
        "SHOAL_MAX_CRASHES", 3, Whole(1, 100, "crashes"),
        "Crashes of a shard that a task may cause before it is DEAD (quarantined).",
    )  # fmt: skip
    isolation_idle_s: float = _setting(
        "SHOAL_ISOLATION_IDLE", 15.0, Duration(1, 3600),
        "After how long without a task the host's isolation shard ends.",
    )  # fmt: skip
    metrics_port: int | None = _setting(
        "SHOAL_METRICS_PORT", None, _PORT,
        "Where the host serves /metrics, /livez and /readyz.", default_text="not served",
    )  # fmt: skip
    queues: tuple[str, ...] = _setting(
        "SHOAL_QUEUES", (), Names(check_queue, "must be queue names with commas between them"),
        "Queues that this worker serves.", default_text="all",
    )  # fmt: skip
    burst: bool = _setting("", False, Switch(), "Whether shards exit when no work is left.")
    nice: int | None = _setting(
        "SHOAL_NICE", None, Whole(0, 19, "levels"),
        "Niceness of shards: how far they stand back when processes compete for a CPU.",
        default_text="10 when Redis is on the same host, else 0",
    )  # fmt: skip
    run_dir: str = _setting(
        "SHOAL_RUN_DIR", _run_dir, Text(),
        "Where a supervisor leaves the file by which `shoal reload` finds it.",
        default_text="`$XDG_RUNTIME_DIR/shoal`, otherwise `shoal-<uid>` in the folder for temporary files",
    )  # fmt: skip
    throttle_latency_s: float = _setting(
        "SHOAL_THROTTLE_LATENCY", 0.5, Duration(0.001, 60),
        "When Redis takes longer than this to answer a PING three times in a row, a shard claims nothing until "
        "one is faster.",
    )  # fmt: skip
    throttle_memory: int | None = _setting(
        "SHOAL_THROTTLE_MEMORY", None, Size(32 * 1024**2, 1024**5),
        "Above this much resident memory a shard runs fewer tasks at once, the fewer the nearer it is to "
        "SHOAL_MAX_MEMORY_PER_SHARD (when not set: to a quarter more), but one at least.",
        default_text="never",
    )  # fmt: skip
    throttle_cpu: float | None = _setting(
        "SHOAL_THROTTLE_CPU", None, Number(0.1, 0.99, "share"),
        "Above this share of the CPU time of the host, or of its container's quota, a shard runs fewer tasks at "
        "once, the fewer the busier, but one at least.",
        default_text="never",
    )  # fmt: skip
    max_tasks_per_shard: int | None = _setting(
        "SHOAL_MAX_TASKS_PER_SHARD", None, Whole(1, 10**12, "tasks"),
        "After how many tasks a shard is replaced.", default_text="never",
    )  # fmt: skip
    max_memory_per_shard: int | None = _setting(
        "SHOAL_MAX_MEMORY_PER_SHARD", None, Size(32 * 1024**2, 1024**5),
        "At how much resident memory a shard ends and is replaced; at 1.5 times that it is killed.",
        default_text="never",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What holds for a task that says nothing else."""

    default_timeout_s: float = _setting(
        "DEFAULT_TASK_TIMEOUT",
        300.0,
        Duration(0.001, 30 * 86_400),
        "How long one attempt may take.",
    )
    max_retries: int = _setting(
        "MAX_RETRIES", 3, Whole(0, MAX_RETRIES_LIMIT, "retries"), "Retries after the first attempt."
    )
    max_payload_bytes: int = _setting(
        "SHOAL_MAX_PAYLOAD", 1024**2, Size(1024, 3 * 1024**2), "The largest payload, as JSON."
    )


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """At what numbers submissions are refused; over all partitions together."""

    max_queue_size: int = _setting(
        "MAX_QUEUE_SIZE",
        1_000_000,
        Whole(1, 10**12, "tasks"),
        "PENDING tasks in one queue and priority.",
    )
    queue_warning: float = _setting(
        "SHOAL_QUEUE_WARNING", 0.8, Number(0.01, 1, "share"),
        "At what share of MAX_QUEUE_SIZE a worker warns that a queue fills up.",
    )  # fmt: skip
    max_scheduled: int = _setting(
        "SHOAL_MAX_SCHEDULED", 1_000_000, Whole(1, 10**12, "tasks"),
        "Tasks that wait for their time or for other tasks.",
    )  # fmt: skip
    max_types: int = _setting(
        "SHOAL_MAX_TYPES", 1000, Whole(1, 100_000, "types"), "Different task types."
    )
    max_queues: int = _setting(
        "SHOAL_MAX_QUEUES", 100, Whole(1, 10_000, "queues"), "Different queues."
    )

    @property
    def warning_depth(self) -> float:
        """From how many PENDING tasks on a queue and priority counts as nearly full."""
        return max(1.0, self.max_queue_size * self.queue_warning)


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long ended tasks are kept; whichever limit comes first."""

    days: float = _setting(
        "TASK_RETENTION_DAYS", 7.0, Number(0, 3650, "days"), "How long an ended task is kept."
    )
    count: int = _setting(
        "SHOAL_TASK_RETENTION_COUNT",
        1_000_000,
        Whole(0, 10**12, "tasks"),
        "How many COMPLETED tasks are kept; others go by age.",
    )
    tombstone_s: float = _setting(
        "SHOAL_TOMBSTONE", 60.0, Duration(1, 86_400),
        "How long the id of an ended task is remembered at least: a late copy of it is then known.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The HTTP doors."""

    api_port: int = _setting("API_PORT", 8080, _PORT, "Port of the public API and the dashboard.")
    admin_port: int = _setting("ADMIN_PORT", 8081, _PORT, "Port of the admin API.")
    host: str | None = _setting(
        "SHOAL_API_HOST", None, Text(check_host, "address"),
        "Address of this host that both listen on.", default_text="all",
    )  # fmt: skip
    jwt_secret: str | None = _setting(
        "JWT_SECRET", None, Text(check_jwt_secret, "text, at least 32 bytes"),
        "Secret of tokens (JWT) signed with HS256, as `shoal token` makes them.",
        is_secret=True, default_text="`shoal up` makes one; otherwise such tokens are refused",
    )  # fmt: skip
    jwks_file: str | None = _setting(
        "SHOAL_JWKS_FILE", None, Text(unit="path"),
        "JWK Set with the public keys of tokens signed with RS256, ES256 or EdDSA; read at the start.",
        default_text="such tokens are refused",
    )  # fmt: skip
    jwt_audience: str | None = _setting(
        "SHOAL_JWT_AUDIENCE", None, Text(), "What `aud` of a token must name.",
        default_text="tokens must have no `aud`",
    )  # fmt: skip
    jwt_issuer: str | None = _setting(
        "SHOAL_JWT_ISSUER", None, Text(), "What `iss` of a token must be.",
        default_text="not looked at",
    )  # fmt: skip
    jwt_max_lifetime_s: float = _setting(
        "SHOAL_JWT_MAX_LIFETIME", 86_400.0, Duration(1, 366 * 86_400),
        "From `iat` to `exp` at most: a token that lives longer is refused.",
    )  # fmt: skip
    api_key: str | None = _setting(
        "API_KEY", None, Text(check_api_key, "text, at least 16 bytes"),
        "Key that may do everything, on both ports.",
        is_secret=True, default_text="`shoal up` makes one, `shoal api` needs it",
    )  # fmt: skip
    session_lifetime_s: float = _setting(
        "SHOAL_SESSION_LIFETIME", 43_200.0, Duration(60, 30 * 86_400),
        "How long a login by cookie (POST /api/v1/session) lasts.",
    )  # fmt: skip
    secure_cookies: bool = _setting(
        "SHOAL_SECURE_COOKIES", False, Switch(),
        "Whether the cookie goes over TLS only, also where a proxy in front ends TLS.",
    )  # fmt: skip
    allowed_origins: tuple[str, ...] = _setting(
        "SHOAL_ALLOWED_ORIGINS", (),
        Names(check_origin, "must be origins such as https://shoal.example.com, comma between"),
        "Origins of web pages, beside the API's own, that may act with a cookie or open /ws.",
        default_text="none",
    )  # fmt: skip
    rate_limit: float | None = _setting(
        "SHOAL_RATE_LIMIT", None, Number(0.01, 10**7, "tasks a second"),
        "Tasks that one key, token or session's owner may submit each second, over all API processes.",
        default_text="no limit",
    )  # fmt: skip
    rate_burst: int | None = _setting(
        "SHOAL_RATE_BURST", None, Whole(1, 10**8, "tasks"),
        "Tasks that may come at once after a pause.", default_text="what comes in 2 s, at least 1",
    )  # fmt: skip
    address_rate_limit: float | None = _setting(
        "SHOAL_ADDRESS_RATE_LIMIT", None, Number(0.1, 10**7, "requests a second"),
        "Requests that one address may send each second to each API process.",
        default_text="no limit",
    )  # fmt: skip
    trusted_proxies: tuple[str, ...] = _setting(
        "SHOAL_TRUSTED_PROXIES", (),
        Names(check_network, "must be addresses or networks such as 10.0.0.0/8, comma between"),
        "Proxies whose X-Forwarded-For is believed; of others it is not looked at.",
        default_text="none",
    )  # fmt: skip
    max_connections: int = _setting(
        "SHOAL_MAX_CONNECTIONS", 10_000, Whole(1, 10**6, "connections"),
        "Connections to one port of one API process; more are answered with 503 and closed.",
    )  # fmt: skip
    max_connections_per_address: int = _setting(
        "SHOAL_MAX_CONNECTIONS_PER_ADDRESS", 2_000, Whole(1, 10**6, "connections"),
        "The same from one address, other than a trusted proxy.",
    )  # fmt: skip
    metrics_public: bool = _setting(
        "SHOAL_METRICS_PUBLIC", False, Switch(), "Whether /metrics is open without a key."
    )


@dataclass(frozen=True, slots=True)
class EncryptionSettings:
    """With what the texts of tasks are encrypted in Redis."""

    keys: tuple[EncryptionKey, ...] = _setting(
        "SHOAL_ENCRYPTION_KEYS", (), Keys(),
        "Encrypts payloads, results, errors and what handlers report: the first key encrypts, all of them "
        "decrypt; the same in every process. Needs the extra `encryption`; see howto/encryption.md.",
        is_secret=True, default_text="nothing is encrypted",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. ``Settings()`` are the defaults, ``Settings.load`` reads and checks."""

    redis: RedisSettings = field(default_factory=RedisSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    task: TaskSettings = field(default_factory=TaskSettings)
    limit: LimitSettings = field(default_factory=LimitSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    encryption: EncryptionSettings = field(default_factory=EncryptionSettings)
    namespace: str = _setting(
        "SHOAL_NAMESPACE", "shoal", Text(_check_namespace, "name"),
        "First part of every key in Redis; different namespaces do not see each other.",
    )  # fmt: skip
    partitions: int = _setting(
        "SHOAL_PARTITIONS", 8, Whole(1, MAX_PARTITIONS, "partitions"),
        "Slices of the keyspace; on a cluster at least twice the masters.",
    )  # fmt: skip
    priority_mode: str = _setting(
        "SHOAL_PRIORITY_MODE", "strict", Choice(("strict", "weighted")),
        "strict: a lower priority waits for all higher ones; weighted: while all wait, CRITICAL, HIGH, "
        "NORMAL and LOW get 8, 4, 2 and 1 of 15 tasks, and none starves.",
    )  # fmt: skip
    durability: str = _setting(
        "SHOAL_DURABILITY", "aof", Choice(("aof",)),
        "What an accepted task has reached: aof, Redis' append-only file. Nothing else is supported yet.",
    )  # fmt: skip
    metrics_enabled: bool = _setting(
        "METRICS_ENABLED", True, Switch(), "Whether metrics are counted."
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        "info",
        Choice(("debug", "info", "warning", "error")),
        "The least severe message logged.",
    )

    @classmethod
    def load(cls, env: Mapping[str, str], file: Path | None = None) -> Self:
        """Read the environment and, where it is silent, ``file`` (a ``shoal.toml``).

        An empty value counts as unset. A secret may stand in a file that ``NAME_FILE`` names.

        Raises:
            ConfigurationError: With every problem found, not only the first.
        """
        from shoal.config_load import load  # it imports this module

        return load(cls, env, file)

    @classmethod
    def from_environment(cls) -> Self:
        """The settings of this process, from its environment and its file.

        The file is the one that SHOAL_CONFIG names, or ``shoal.toml`` in the current directory
        when there is one.

        Raises:
            ConfigurationError: See ``load``.
        """
        named = os.environ.get("SHOAL_CONFIG", "")
        default = Path("shoal.toml")
        return cls.load(
            os.environ, Path(named) if named else default if default.is_file() else None
        )

    def replace(self, **changes: object) -> Self:
        """These settings with some changed and checked: ``replace(worker__concurrency=20)``.

        A text is read as in the environment. ``None`` leaves a setting as it is, so that
        options nobody gave can be passed on.

        Raises:
            ConfigurationError: With every problem found.
        """
        from shoal.config_load import replace

        return replace(self, changes)

    def __repr__(self) -> str:
        groups = ", ".join(
            f"{part.name}={getattr(self, part.name)!r}" for part in dataclasses.fields(self)
        )
        return f"Settings(redis={self.redis.shown_address!r}, {groups})"
