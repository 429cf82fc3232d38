"""How a setting is declared: a field of a frozen dataclass that says all there is to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shoal.settings.kinds import Kind, Whole

#: Of every setting that is a port.
PORT = Whole(1, 65_535, "port")


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


def setting(
    name: str,
    default: Any,
    kind: Kind,
    meaning: str,
    *,
    is_secret: bool = False,
    default_text: str = "",
) -> Any:
    """A field of a group of settings; a default that can be called makes the value."""
    about = {"setting": Setting(name, kind, meaning, is_secret, default_text)}
    if callable(default):
        return field(default_factory=default, metadata=about, repr=not is_secret)
    return field(default=default, metadata=about, repr=not is_secret)
