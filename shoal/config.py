"""The settings of every Shoal process: one frozen object, read whole, checked whole, handed down.

Each field here and in the groups of ``shoal.settings`` is the one place that says a setting's name,
kind, range, default and meaning; ``docs/configuration.md`` is made from them
(``shoal.config_docs``). Nothing else in Shoal reads the environment.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from shoal.model.partition import MAX_PARTITIONS
from shoal.settings.api import ApiSettings
from shoal.settings.encryption import EncryptionSettings
from shoal.settings.kinds import Choice, Switch, Text, Whole
from shoal.settings.redis import RedisSettings
from shoal.settings.setting import setting
from shoal.settings.task import LimitSettings, RetentionSettings, TaskSettings
from shoal.settings.worker import WorkerSettings

_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


def _check_namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(
            "must be 1 to 32 letters, digits, '_', '.' or '-', not beginning with a sign"
        )
    return text


def settings_file(env: Mapping[str, str]) -> Path | None:
    """The file that SHOAL_CONFIG names, or ``shoal.toml`` in the current directory when there is one."""
    named = env.get("SHOAL_CONFIG", "")
    default = Path("shoal.toml")
    return Path(named) if named else default if default.is_file() else None


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
    namespace: str = setting(
        "SHOAL_NAMESPACE", "shoal", Text(_check_namespace, "name"),
        "First part of every key in Redis; different namespaces do not see each other.",
    )  # fmt: skip
    partitions: int = setting(
        "SHOAL_PARTITIONS", 8, Whole(1, MAX_PARTITIONS, "partitions"),
        "Slices of the keyspace; on a cluster at least twice the masters.",
    )  # fmt: skip
    priority_mode: str = setting(
        "SHOAL_PRIORITY_MODE", "strict", Choice(("strict", "weighted")),
        "strict: a lower priority waits for all higher ones; weighted: while all wait, CRITICAL, HIGH, "
        "NORMAL and LOW get 8, 4, 2 and 1 of 15 tasks, and none starves.",
    )  # fmt: skip
    durability: str = setting(
        "SHOAL_DURABILITY", "aof", Choice(("aof",)),
        "What an accepted task has reached: aof, Redis' append-only file. Nothing else is supported yet.",
    )  # fmt: skip
    metrics_enabled: bool = setting(
        "METRICS_ENABLED", True, Switch(), "Whether metrics are counted."
    )
    log_level: str = setting(
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
        return cls.load(os.environ, settings_file(os.environ))

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
