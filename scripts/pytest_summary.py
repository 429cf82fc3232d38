#!/usr/bin/env python3
"""Adds the last lines of several pytest runs up to one: ``pytest_summary.py LOG…``.

A run that has none has not come to its end; it counts as an error, and the status is 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

#: In the order in which pytest says them.
OUTCOMES = (
    "failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warning", "error",
)  # fmt: skip
_SUMMARY = re.compile(r"^=*\s*(?P<counts>.+?) in (?P<seconds>\d+\.\d+)s(?: \([\d:, day]+\))?\s*=*$")
_COUNT = re.compile(r"(\d+) ([a-z]+?)s?$")
_NONE = "no tests ran"
_WIDTH = 80


def parse(line: str) -> tuple[dict[str, int], float] | None:
    """The counts and seconds of a summary line; ``None``: it is none."""
    found = _SUMMARY.match(line.strip())
    if found is None:
        return None
    counts: dict[str, int] = {}
    for part in found["counts"].split(", "):
        counted = _COUNT.fullmatch(part.strip())
        if counted is None or counted[2] not in OUTCOMES:
            if part.strip() == _NONE:
                continue
            return None
        counts[counted[2]] = int(counted[1])
    return counts, float(found["seconds"])


def added(logs: Iterable[str]) -> tuple[str, bool]:
    """One line for all of these outputs, and whether each of them came to its end."""
    total = dict.fromkeys(OUTCOMES, 0)
    seconds, are_whole = 0.0, True
    for log in logs:
        parsed = next(filter(None, map(parse, reversed(log.splitlines()[-5:]))), None)
        if parsed is None:
            total["error"] += 1
            are_whole = False
            continue
        for outcome, count in parsed[0].items():
            total[outcome] += count
        seconds += parsed[1]
    # What one run left to the other was not left out.
    total["deselected"] = 0
    return _line(total, seconds), are_whole


def _line(total: dict[str, int], seconds: float) -> str:
    plural = {"warning", "error"}
    said = [
        f"{count} {outcome}{'s' if outcome in plural and count > 1 else ''}"
        for outcome, count in total.items()
        if count
    ]
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f" ({hours}:{minutes:02}:{rest:02})" if seconds >= 60 else ""
    return f" {', '.join(said) or _NONE} in {seconds:.2f}s{clock} ".center(_WIDTH, "=")


def main(arguments: Sequence[str]) -> int:
    """Print the line."""
    line, are_whole = added(Path(path).read_text("utf-8", "replace") for path in arguments)
    print(line)
    return 0 if are_whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
