"""Reads settings from the environment and ``shoal.toml``, and finds every problem at once."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from shoal.config import Settings
from shoal.errors import ConfigurationError
from shoal.model.duration import format_duration
from shoal.settings.checks import url_database
from shoal.settings.setting import Setting

SettingsT = TypeVar("SettingsT", bound=Settings)

#: Names that belong to no field: where the file is.
_OTHER_NAMES = ("SHOAL_CONFIG",)
#: How alike an unknown SHOAL_… must be to a known one to count as a misspelling; what is less
#: alike may come from elsewhere (Kubernetes sets SHOAL_SERVICE_HOST for a service "shoal").
_MISSPELT = 0.85


def all_settings() -> Iterator[tuple[str, Setting, Any]]:
    """Every setting as (path such as ``worker__concurrency``, what it is, its default)."""
    defaults = Settings()
    for part in dataclasses.fields(Settings):
        value = getattr(defaults, part.name)
        if "setting" in part.metadata:
            yield part.name, part.metadata["setting"], value
            continue
        for inner in dataclasses.fields(value):
            yield (
                f"{part.name}__{inner.name}",
                inner.metadata["setting"],
                getattr(value, inner.name),
            )


def load(cls: type[SettingsT], env: Mapping[str, str], file: Path | None) -> SettingsT:
    """See ``Settings.load``."""
    problems: list[str] = []
    table = list(all_settings())
    in_file = _read_file(file, {about.name for _, about, _ in table if about.name}, problems)
    problems += _misspelt(env, [about.name for _, about, _ in table])
    values: dict[str, Any] = {}
    for path, about, _ in table:
        if not about.name:
            continue
        raw, origin = _find(about, env, in_file, file, problems)
        if raw is None:
            continue
        try:
            values[path] = about.kind.convert(raw)
        except ValueError as error:
            shown = "" if about.is_secret else f", not {_brief(raw)}"
            problems.append(f"{origin} {error}{shown}")
    settings = _build(cls(), values)
    if (db := url_database(settings.redis.url or "")) is not None:
        if values.get("redis__db", db) != db:
            problems.append(
                "REDIS_DB and REDIS_URL name different databases; leave one of them out"
            )
        settings = _build(settings, {"redis__db": db})
    problems += _contradictions(settings)
    if problems:
        raise ConfigurationError(problems)
    return settings


def replace(settings: SettingsT, changes: Mapping[str, object]) -> SettingsT:
    """See ``Settings.replace``."""
    table = {path: about for path, about, _ in all_settings()}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for path, value in changes.items():
        if path not in table:
            raise TypeError(f"no setting is called {path!r}")
        if value is None:
            continue
        about = table[path]
        try:
            values[path] = about.kind.convert(value)
        except ValueError as error:
            shown = "" if about.is_secret else f", not {_brief(value)}"
            problems.append(f"{about.name or path.rpartition('__')[2]} {error}{shown}")
    changed = _build(settings, values)
    problems += _contradictions(changed)
    if problems:
        raise ConfigurationError(problems)
    return changed


def changed_to(settings: SettingsT, values: Mapping[str, Any]) -> SettingsT:
    """These settings with values that were converted before, by path; unlike ``replace`` it sets ``None`` too.

    Raises:
        ConfigurationError: What each is right for itself contradicts another.
    """
    changed = _build(settings, values)
    if problems := _contradictions(changed):
        raise ConfigurationError(problems)
    return changed


def _build(settings: SettingsT, values: Mapping[str, Any]) -> SettingsT:
    own: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        group, separator, name = path.partition("__")
        if separator:
            groups.setdefault(group, {})[name] = value
        else:
            own[path] = value
    for group, changed in groups.items():
        own[group] = dataclasses.replace(getattr(settings, group), **changed)
    return dataclasses.replace(settings, **own)


def _find(
    about: Setting,
    env: Mapping[str, str],
    in_file: Mapping[str, object],
    file: Path | None,
    problems: list[str],
) -> tuple[object | None, str]:
    """The raw value and what to call its origin: environment, then ``NAME_FILE``, then the file."""
    name = about.name
    direct = env.get(name) or None
    named = (env.get(f"{name}_FILE") or None) if about.is_secret else None
    if direct is not None and named is not None:
        problems.append(f"{name} and {name}_FILE are both set; leave one of them out")
    if direct is not None:
        return direct, name
    if named is not None:
        try:
            return Path(named).read_text(
                encoding="utf-8"
            ).strip() or None, f"{name} (of {name}_FILE)"
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            problems.append(f"{name}_FILE: cannot read {named}: {reason}")
            return None, name
    return in_file.get(name), f"{name} in {file}"


def _read_file(file: Path | None, known: set[str], problems: list[str]) -> dict[str, object]:
    if file is None:
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"cannot read {file}: {error.strerror}")
        return {}
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        problems.append(f"{file} is no TOML: {error}")
        return {}
    found: dict[str, object] = {}
    for key, value in table.items():
        name = key.upper()
        if name not in known:
            problems.append(f"{file}: {key} is no setting{_did_you_mean(name, known)}")
        else:
            found[name] = value
    return found


def _misspelt(env: Mapping[str, str], known: list[str]) -> list[str]:
    ours = [name for name in known if name.startswith("SHOAL_")] + list(_OTHER_NAMES)
    return [
        f"{name} is no setting; did you mean {near[0]}?"
        for name in sorted(env)
        if name.startswith("SHOAL_")
        and name not in ours
        and not name.endswith("_FILE")
        and (near := difflib.get_close_matches(name, ours, 1, _MISSPELT))
    ]


def _did_you_mean(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1, 0.7)
    return f"; did you mean {near[0]}?" if near else "; docs/configuration.md lists all"


def _contradictions(settings: Settings) -> list[str]:
    """What is wrong between settings that are each right."""
    problems = []
    redis, worker = settings.redis, settings.worker
    if urlsplit(redis.address).scheme == "redis+cluster" and redis.db != 0:
        problems.append("REDIS_DB must be 0 on a cluster, which has no other database")
    if redis.password is not None and urlsplit(redis.address).password is not None:
        problems.append("REDIS_PASSWORD and REDIS_URL both hold a password; leave one of them out")
    if redis.timeout_s > worker.lease_s / 3:
        problems.append(
            f"SHOAL_REDIS_TIMEOUT ({format_duration(redis.timeout_s)}) must be at most a third of "
            f"SHOAL_LEASE ({format_duration(worker.lease_s)}), so that a lease is renewed in time"
        )
    soft, hard = worker.throttle_memory, worker.max_memory_per_shard
    if soft is not None and hard is not None and soft >= hard:
        problems.append("SHOAL_THROTTLE_MEMORY must be below SHOAL_MAX_MEMORY_PER_SHARD")
    if settings.encryption.keys and importlib.util.find_spec("cryptography") is None:
        problems.append("SHOAL_ENCRYPTION_KEYS needs the extra: pip install 'shoal[encryption]'")
    ports: dict[int, str] = {}
    for name, port in (
        ("API_PORT", settings.api.api_port),
        ("ADMIN_PORT", settings.api.admin_port),
        ("SHOAL_METRICS_PORT", worker.metrics_port),
    ):
        if port is not None and ports.setdefault(port, name) != name:
            problems.append(f"{name} and {ports[port]} are both {port}; give each its own port")
    return problems


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
