"""Checks a coverage report (``coverage json``) against Shoal's floors.

Statements at least 80 %, branches 75 %, functions 85 %; a function is covered when any of its
statements ran.
"""

import json
import sys
from pathlib import Path
from typing import Any

FLOORS = {"statements": 80.0, "branches": 75.0, "functions": 85.0}


def measured(report: dict[str, Any]) -> dict[str, float]:
    """Percentages of a report, by what was counted; 100 where there is nothing to cover."""
    totals = report["totals"]
    functions = [
        function["summary"]
        for file in report["files"].values()
        for name, function in file["functions"].items()
        # The nameless one is the module's own level.
        if name and function["summary"]["num_statements"]
    ]
    entered = sum(1 for summary in functions if summary["covered_lines"])
    return {
        "statements": percentage(totals["covered_lines"], totals["num_statements"]),
        "branches": percentage(totals["covered_branches"], totals["num_branches"]),
        "functions": percentage(entered, len(functions)),
    }


def percentage(part: int, whole: int) -> float:
    """Part of whole in per cent; nothing of nothing is all of it."""
    return 100.0 * part / whole if whole else 100.0


def main(path: str) -> int:
    """Print the figures and say which floor is missed; 1 if any is."""
    figures = measured(json.loads(Path(path).read_text()))
    print("\ncoverage: " + ", ".join(f"{kind} {value:.1f} %" for kind, value in figures.items()))
    missed = [kind for kind, value in figures.items() if value < FLOORS[kind]]
    for kind in missed:
        print(f"coverage of {kind} is below {FLOORS[kind]:.0f} %")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
