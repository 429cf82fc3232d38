#!/usr/bin/env python3
"""Sets aside coverage data files that a process did not finish writing, before they are combined.

The suite kills processes on purpose, and one of them may be writing its figures at that moment. Such a
file would stop ``coverage combine`` half way, or be passed over without a word; here it is removed and
said. What that process had covered is then not counted, which can only lower the figures.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path


def fault_of(path: Path) -> str:
    """What is wrong with a data file; empty when it can be combined."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                return str(verdict)
            if connection.execute("SELECT version FROM coverage_schema").fetchone() is None:
                return "it is empty"
            has_measured = connection.execute(
                "SELECT 1 FROM meta WHERE key = 'has_arcs'"
            ).fetchone()
    except sqlite3.Error as error:
        return str(error)
    return "" if has_measured else "it was not written to its end"


def set_aside(folder: Path) -> list[str]:
    """Remove the unfinished data files of a folder; returns a line for each."""
    said = []
    for path in sorted(folder.glob(".coverage.*")):
        if fault := fault_of(path):
            path.unlink()
            said.append(f"{path.name}: {fault}")
    return said


def main(arguments: Sequence[str]) -> int:
    """Do it in the folder given, default this one; the status is 0."""
    said = set_aside(Path(arguments[0] if arguments else "."))
    if said:
        print(f"\n{len(said)} coverage data files were cut short by a kill and do not count:")
        print("\n".join(f"  {line}" for line in said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
