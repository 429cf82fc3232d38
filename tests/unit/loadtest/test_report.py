"""The report's two shapes: JSON for programs, a table for people."""

import io
import json
from pathlib import Path

from rich.console import Console

from loadtest.report import Report, Run, Yardstick, medians, show

MACHINE = {"cpu": "Fast 9000", "cores": 2, "server": "redis 7.0.15", "libraries": {}}


def _report(*yardsticks: Yardstick) -> Report:
    runs: list[Run] = [
        {"name": "1x100", "tasks": 1000, "tasks_per_s": 22000.0, "redis_us_per_task": 36.5},
        {"name": "4x50", "tasks": 1000, "tasks_per_s": 15000.0, "redis_us_per_task": None},
    ]
    return Report("drain", MACHINE, {"retention": "a quarter"}, runs, yardsticks)


def test_the_json_has_the_floor_of_the_first_cell_and_of_all(tmp_path: Path) -> None:
    """``floor`` has the first cell's figures and all ``runs``; each run says its share of it."""
    floor = Yardstick(
        "floor",
        "bare commands",
        [{"name": "1x100", "tasks_per_s": 88000.0}, {"name": "4x50", "tasks_per_s": 60000.0}],
    )
    file = tmp_path / "report.json"
    _report(floor).write_json(file)
    document = json.loads(file.read_text())
    assert list(document) == ["benchmark", "machine", "conditions", "runs", "floor"]
    assert document["benchmark"] == "drain"
    assert document["floor"]["tasks_per_s"] == 88000.0
    assert [run["name"] for run in document["floor"]["runs"]] == ["1x100", "4x50"]
    assert [run["of_floor"] for run in document["runs"]] == [0.25, 0.25]
    assert document["runs"][0]["tasks_per_s"] == 22000.0


def test_without_a_floor_the_json_says_null() -> None:
    """A benchmark that has no floor says so."""
    assert _report().as_dict()["floor"] is None


def test_the_table_has_a_column_for_each_cell_and_its_yardsticks() -> None:
    """Shoal and its yardstick stand side by side, with a row for each figure."""
    yardstick = Yardstick("prototype", "smaller", [{"name": "1x100", "tasks_per_s": 30000.0}])
    out = io.StringIO()
    _report(yardstick).print(Console(file=out, width=200))
    text = out.getvalue()
    for words in ("1x100", "prototype 1x100", "4x50", "22,000", "30,000", "0.73", "retention"):
        assert words in text


def test_medians_keep_the_order_of_the_names() -> None:
    """Runs of several rounds become one a name, in the order of the first round."""
    rounds: list[Run] = [
        {"name": name, "tasks_per_s": value}
        for value in (3.0, 1.0, 2.0)
        for name in ("4x50", "1x100")
    ]
    found = medians(rounds)
    assert [run["name"] for run in found] == ["4x50", "1x100"]
    assert [run["tasks_per_s"] for run in found] == [2.0, 2.0]


def test_figures_are_shown_short() -> None:
    """Large numbers get separators and no fraction, small ones two digits, absent ones nothing."""
    assert [show(value) for value in (12345.6, 1.239, 7, None, "x", [1.0, 2000.0])] == [
        "12,346",
        "1.24",
        "7",
        "",
        "x",
        "1.00 2,000",
    ]
