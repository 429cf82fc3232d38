# ruff: noqa: D102, TRY004 - Kind documents the methods; a bad value is a ValueError of any type
"""Kinds of settings: how a text becomes a value, what range it has, how the docs call it.

A kind takes a text (from the environment or a command line) or a value of its own type (from
``shoal.toml`` or a keyword argument), and raises ``ValueError`` whose message says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from shoal.model.duration import format_duration, parse_duration


class Kind(Protocol):
    """One kind of setting."""

    @property
    def unit(self) -> str:
        """How the docs describe it: ``duration, 3s to 10m``."""

    def convert(self, value: object) -> Any:
        """The value; ``ValueError`` when it is not one of this kind or out of range."""

    def show(self, value: Any) -> str:
        """The value as one would write it."""


@dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``."""

    low: int
    high: int
    what: str = "number"

    @property
    def unit(self) -> str:
        return f"{self.what}, {self.low} to {self.high}"

    def convert(self, value: object) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9](_?[0-9]){0,17}", text):
            raise ValueError(f"must be a whole number from {self.low} to {self.high}")
        number = int(text)
        if not self.low <= number <= self.high:
            raise ValueError(f"must be from {self.low} to {self.high}")
        return number

    def show(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True)
class Number:
    """A number, possibly with a fraction, from ``low`` to ``high``."""

    low: float
    high: float
    what: str = "number"

    @property
    def unit(self) -> str:
        return f"{self.what}, {self.low:g} to {self.high:g}"

    def convert(self, value: object) -> float:
        try:
            number = float(str(value))  # of a bool, "True" is none
        except ValueError:
            raise ValueError(f"must be a number from {self.low:g} to {self.high:g}") from None
        if not self.low <= number <= self.high:
            raise ValueError(f"must be from {self.low:g} to {self.high:g}")
        return number

    def show(self, value: float) -> str:
        return f"{value:g}"


@dataclass(frozen=True)
class Duration:
    """A duration in seconds or as ``250ms``, ``5s``, ``1h30m``, from ``low_s`` to ``high_s``."""

    low_s: float
    high_s: float

    @property
    def unit(self) -> str:
        return f"duration, {format_duration(self.low_s)} to {format_duration(self.high_s)}"

    def convert(self, value: object) -> float:
        if not isinstance(value, str | int | float):
            raise ValueError("must be a duration such as 250ms, 5s or 1h30m")
        try:
            seconds = parse_duration(value)
        except ValueError:
            raise ValueError("must be a duration such as 250ms, 5s or 1h30m") from None
        if not self.low_s <= seconds <= self.high_s:
            low, high = format_duration(self.low_s), format_duration(self.high_s)
            raise ValueError(f"must be from {low} to {high}")
        return seconds

    def show(self, value: float) -> str:
        return format_duration(value)


_SIZE_UNITS: Mapping[str, int] = {
    "": 1, "b": 1,
    "k": 1024, "kb": 1000, "kib": 1024,
    "m": 1024**2, "mb": 1000**2, "mib": 1024**2,
    "g": 1024**3, "gb": 1000**3, "gib": 1024**3,
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """A size in bytes, or as ``512KiB``, ``1MiB``, ``200MB``."""

    low: int
    high: int

    @property
    def unit(self) -> str:
        return f"size, {self.show(self.low)} to {self.show(self.high)}"

    def convert(self, value: object) -> int:
        match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([a-z]{0,3})", str(value).lower())
        if isinstance(value, bool) or not match or match[2] not in _SIZE_UNITS:
            raise ValueError("must be a size in bytes, or such as 512KiB or 1MiB")
        size = int(float(match[1]) * _SIZE_UNITS[match[2]])
        if not self.low <= size <= self.high:
            raise ValueError(f"must be from {self.show(self.low)} to {self.show(self.high)}")
        return size

    def show(self, value: int) -> str:
        for name, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
            if value and value % factor == 0:
                return f"{value // factor}{name}"
        return str(value)


@dataclass(frozen=True)
class Switch:
    """On or off."""

    unit: str = "true or false"

    def convert(self, value: object) -> bool:
        text = str(value).strip().lower()
        if text in ("true", "1", "yes", "on"):
            return True
        if text in ("false", "0", "no", "off"):
            return False
        raise ValueError("must be true or false")

    def show(self, value: bool) -> str:  # noqa: FBT001 - as in Kind
        return "true" if value else "false"


@dataclass(frozen=True)
class Choice:
    """One of a few words; case does not matter."""

    words: tuple[str, ...]

    @property
    def unit(self) -> str:
        *others, last = self.words
        return f"{', '.join(others)} or {last}" if others else last

    def convert(self, value: object) -> str:
        word = str(value).strip().lower()
        if word not in self.words:
            raise ValueError(f"must be {self.unit}")
        return word

    def show(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Text:
    """A text that ``check`` accepts or turns into its normal form."""

    check: Callable[[str], str] = field(default=str)
    unit: str = "text"
    #: What to say when ``check`` refuses; empty: its own words.
    remedy: str = ""

    def convert(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be a text")
        try:
            return self.check(value)
        except ValueError as error:
            raise ValueError(self.remedy or str(error)) from None

    def show(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Names:
    """Names with commas between them, or a list in ``shoal.toml``."""

    check: Callable[[str], str]
    remedy: str
    unit: str = "names, comma between"

    def convert(self, value: object) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError(self.remedy)
        names = [str(part).strip() for part in parts if str(part).strip()]
        try:
            return tuple(dict.fromkeys(self.check(name) for name in names))
        except ValueError:
            raise ValueError(self.remedy) from None

    def show(self, value: tuple[str, ...]) -> str:
        return ",".join(value)
