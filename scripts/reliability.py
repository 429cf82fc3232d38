#!/usr/bin/env python3
"""Makes the table of docs/reliability.md from what the chaos tests and the soak wrote.

reliability.py                 from docs/reliability.jsonl
reliability.py RESULTS…        add the lines of these files to it first
reliability.py --check         write nothing; fail when the table is not what the file says
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
SERVERS = {"redis7": "Redis 7.0", "redis8": "Redis 8.2", "valkey": "Valkey 9"}
COLUMNS = (
    "fault", "server", "runs", "tasks accepted", "lost", "two results", "runs again",
    "at work again after (median / max)",
)  # fmt: skip


def table(lines: Iterable[str]) -> str:
    """A Markdown table, a row for each fault and server, from JSON lines.

    Raises:
        ValueError: A line is none of them; the message has its number.
    """
    rows: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            run = json.loads(line)
            rows[run["fault"], run["server"]].append(run)
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} is no result: {error}") from None
    cells = [COLUMNS, ("---",) * len(COLUMNS)]
    cells += [_row(fault, server, runs) for (fault, server), runs in sorted(rows.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _row(fault: str, server: str, runs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    times = [seconds for run in runs for seconds in run["recovery_s"]]
    sums = (str(sum(run[name] for run in runs)) for name in ("tasks", "lost", "doubled", "again"))
    took = f"{statistics.median(times):.2f} s / {max(times):.2f} s" if times else ""
    return (fault, SERVERS.get(server, server), str(len(runs)), *sums, took)


def page(text: str, lines: Iterable[str]) -> str:
    """The page with its table made anew.

    Raises:
        ValueError: The page has no place for it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs {BEGIN} and {END} on lines of their own")
    return f"{before}{BEGIN}\n{table(lines)}\n{END}{after}"


def main(arguments: Sequence[str] | None = None, docs: Path = DOCS) -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", nargs="*", type=Path, help="files with more lines")
    parser.add_argument("--check", action="store_true", help="write nothing")
    given = parser.parse_args(arguments)
    kept, shown = docs / "reliability.jsonl", docs / "reliability.md"
    try:
        lines = kept.read_text("utf-8").splitlines() if kept.exists() else []
        for path in given.results:
            lines += path.read_text("utf-8").splitlines()
        old = shown.read_text("utf-8")
        new = page(old, lines)
    except (OSError, ValueError) as error:
        print(f"reliability.py: {error}", file=sys.stderr)
        return 1
    if given.check:
        if new != old:
            print("docs/reliability.md differs: run scripts/reliability.py", file=sys.stderr)
        return int(new != old)
    kept.write_text("".join(f"{line}\n" for line in lines if line.strip()), "utf-8")
    shown.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
