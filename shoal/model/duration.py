"""Durations as people write them: ``250ms``, ``5s``, ``1h30m``, ``7d``."""

import math
import re

#: The longest duration that is accepted: 100 years of 365.25 days. Milliseconds stay exact in Lua.
MAX_DURATION_S = 3_155_760_000.0

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
# Largest unit first and each at most once, so that "30m1h" is an error and not a surprise.
_PATTERN = re.compile("".join(f"(?:({_NUMBER}){unit}(?![a-z]))?" for unit in _UNITS_MS))
_PLAIN = re.compile(_NUMBER)


def parse_duration(value: str | float) -> float:
    """Read a duration, in seconds.

    Args:
        value: A number of seconds, the same as text (``"30"``), or units from large to small:
            ``d``, ``h``, ``m``, ``s``, ``ms`` (``"1h30m"``, ``"250ms"``, ``"1.5s"``).

    Raises:
        ValueError: It is no duration, is negative, or is longer than ``MAX_DURATION_S``.
    """
    seconds = _parse_text(value) if isinstance(value, str) else _as_number(value)
    if not 0 <= seconds <= MAX_DURATION_S:
        raise ValueError(f"duration {value!r:.80} is out of range: it must be from 0 to 100 years")
    return seconds


def format_duration(seconds: float) -> str:
    """Write a duration in the form ``parse_duration`` reads, rounded to milliseconds.

    Raises:
        ValueError: ``seconds`` is negative, not finite, or longer than ``MAX_DURATION_S``.
    """
    rest_ms = round(parse_duration(seconds) * 1000)
    parts = []
    for unit, unit_ms in _UNITS_MS.items():
        number, rest_ms = divmod(rest_ms, unit_ms)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def _as_number(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(_refusal(value))  # noqa: TRY004 - callers report ValueError as bad input
    # An integer beyond a float's range would overflow; it is out of range anyway.
    return math.inf if isinstance(value, int) and value > MAX_DURATION_S else float(value)


def _parse_text(text: str) -> float:
    # The length is bounded so that an error about megabytes of digits costs nothing.
    if 0 < len(text := text.strip()) <= 64:
        if _PLAIN.fullmatch(text):
            return float(text)
        if match := _PATTERN.fullmatch(text):
            groups = zip(match.groups(), _UNITS_MS.values(), strict=True)
            return sum(float(number) * unit_ms for number, unit_ms in groups if number) / 1000
    raise ValueError(_refusal(text))


def _refusal(value: object) -> str:
    return f"invalid duration {value!r:.80}: use seconds (30) or units (250ms, 5s, 5m, 1h30m, 7d)"
