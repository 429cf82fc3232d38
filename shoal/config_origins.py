"""Where each setting of a running process comes from: for people who wonder why it has that value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shoal.config import Settings, settings_file
from shoal.config_load import all_settings
from shoal.config_reload import BY_API
from shoal.settings.setting import Setting


class Origin(NamedTuple):
    """A setting as it holds; secrets are never shown."""

    name: str
    value: str
    #: ``environment``, the name of a file, ``command`` (an option said it, or the process itself) or ``default``.
    source: str
    meaning: str
    #: Whether a reload takes a new value over.
    reloads: bool


def origins(settings: Settings, env: Mapping[str, str]) -> list[Origin]:
    """Every setting that has a name, in the order of the documentation.

    Args:
        settings: Those that hold.
        env: The environment that they were read from.
    """
    file = settings_file(env)
    in_file = _names_in(file)
    rows = []
    for path, about, default in all_settings():
        if not about.name:
            continue
        value = _value(settings, path)
        rows.append(
            Origin(
                about.name,
                _shown(about, value),
                _source(about, env, file, in_file, is_default=value == default),
                about.meaning,
                about.name in BY_API,
            )
        )
    return rows


def _value(settings: Settings, path: str) -> Any:
    value: Any = settings
    for name in path.split("__"):
        value = getattr(value, name)
    return value


def _shown(about: Setting, value: Any) -> str:
    if about.is_secret:
        return "set" if value else "not set"
    return "not set" if value is None else about.kind.show(value)


def _source(
    about: Setting,
    env: Mapping[str, str],
    file: Path | None,
    in_file: frozenset[str],
    *,
    is_default: bool,
) -> str:
    if env.get(about.name):
        return "environment"
    if about.is_secret and (named := env.get(f"{about.name}_FILE")):
        return named
    if about.name in in_file:
        return str(file)
    return "default" if is_default else "command"


def _names_in(file: Path | None) -> frozenset[str]:
    try:
        table = {} if file is None else tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it was right when the process started, and is not now
        table = {}
    return frozenset(name.upper() for name in table)
