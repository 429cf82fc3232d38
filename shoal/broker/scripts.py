"""The Lua verbs: read from ``lua/``, joined with their helpers, known by their hash.

A script's first line is its shebang; a line ``--# include NAME ...`` is replaced by those files.
Since they are called by hash, two releases run side by side on one server.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_INCLUDE = "--# include "


@dataclass(frozen=True, slots=True)
class Script:
    """One verb, ready to be loaded."""

    name: str
    source: bytes
    sha: bytes


@cache
def script(name: str) -> Script:
    """The script of ``lua/<name>.lua`` with what it includes.

    Raises:
        FileNotFoundError: There is no such verb.
    """
    lines: list[str] = []
    for line in _read(name).splitlines():
        if line.startswith(_INCLUDE):
            for helper in line.removeprefix(_INCLUDE).split():
                lines.extend(_read(helper).splitlines())
        else:
            lines.append(line)
    source = ("\n".join(_without_comments(lines)) + "\n").encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


def _without_comments(lines: list[str]) -> list[str]:
    """Whole-line comments are for readers; Redis keeps every script's text in memory."""
    return [line for line in lines if line and not line.lstrip().startswith("--")]


def _read(name: str) -> str:
    return resources.files("shoal.broker").joinpath("lua", f"{name}.lua").read_text("utf-8")
