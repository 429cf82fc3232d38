"""A benchmark's report: the table that people read and the JSON that programs read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtest.figures import Figure, median_run, ratio

Run = Mapping[str, Figure]
"""One cell's figures: ``name``, ``tasks``, ``tasks_per_s``, ``redis_us_per_task`` … by name."""


@dataclass(frozen=True)
class Yardstick:
    """What stands beside Shoal in the same report, with one run for each of Shoal's cells.

    Attributes:
        name: ``floor`` or ``prototype``; the key in the JSON.
        about: What it does, in one sentence.
        runs: Its cells, under the names of Shoal's.
    """

    name: str
    about: str
    runs: Sequence[Run]

    def as_dict(self) -> dict[str, Any]:
        """The first cell's figures, then ``runs`` with them all."""
        return {**(self.runs[0] if self.runs else {}), "about": self.about, "runs": list(self.runs)}


@dataclass(frozen=True)
class Report:
    """All that one benchmark found.

    Attributes:
        benchmark: ``drain``, ``submit``, ``pickup`` or ``endtoend``.
        machine: Processor, kernel, versions.
        conditions: Settings that differ from the defaults, and how the figures are taken.
        runs: One a cell; medians when each was measured more than once.
        yardsticks: Floor and prototype, where they were measured.
    """

    benchmark: str
    machine: Mapping[str, object]
    conditions: Mapping[str, object]
    runs: Sequence[Run]
    yardsticks: Sequence[Yardstick] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape: ``{benchmark, machine, conditions, runs, floor}``, ``prototype`` if run.

        ``floor`` is ``null`` for a benchmark that has none.
        """
        document: dict[str, Any] = {
            "benchmark": self.benchmark,
            "machine": dict(self.machine),
            "conditions": dict(self.conditions),
            "runs": [self._beside(run) for run in self.runs],
            "floor": None,
        }
        for yardstick in self.yardsticks:
            document[yardstick.name] = yardstick.as_dict()
        return document

    def write_json(self, file: Path) -> None:
        """Write the report to a file, replacing it."""
        file.write_text(json.dumps(self.as_dict(), indent=2) + "\n")

    def print(self, console: Console) -> None:
        """Print the table: a row for each figure, a column for each cell and its yardsticks."""
        columns: list[tuple[str, Run]] = []
        for run in self.runs:
            name = str(run["name"])
            columns.append((name, self._beside(run)))
            for yardstick in self.yardsticks:
                columns += [
                    (f"{yardstick.name} {name}", r) for r in yardstick.runs if r["name"] == name
                ]
        table = Table(title=f"{self.benchmark} on {self.machine['server']}", title_justify="left")
        table.add_column("", no_wrap=True)
        for heading, _ in columns:
            table.add_column(heading, justify="right", min_width=8)
        for figure in dict.fromkeys(name for _, run in columns for name in run if name != "name"):
            table.add_row(figure, *(show(run.get(figure)) for _, run in columns))
        console.print(table)
        console.print(
            " · ".join(
                f"{name} {value}" for name, value in self.machine.items() if name != "libraries"
            )
        )
        for name, value in self.conditions.items():
            console.print(f"{name}: {value}", highlight=False)

    def _beside(self, run: Run) -> dict[str, Figure]:
        """The run with its rate as a share of each yardstick's, e.g. ``of_prototype`` 0.8."""
        found = dict(run)
        for yardstick in self.yardsticks:
            for other in yardstick.runs:
                share = ratio(run.get("tasks_per_s"), other.get("tasks_per_s"))
                if other["name"] == run["name"] and share is not None:
                    found[f"of_{yardstick.name}"] = share
        return found


def medians(samples: Sequence[Run]) -> list[Run]:
    """One run a name, in the order in which the names first came."""
    names = dict.fromkeys(str(sample["name"]) for sample in samples)
    return [median_run([sample for sample in samples if sample["name"] == name]) for name in names]


def show(value: Figure) -> str:
    """A figure as the table shows it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(show(item) for item in value)
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else value
