"""The table of docs/reliability.md is made of results, and is what they say."""

import json
from pathlib import Path

import pytest

from scripts.reliability import BEGIN, DOCS, END, main, page, table


def _line(fault: str, **changes: object) -> str:
    run = {
        "fault": fault, "server": "valkey", "tasks": 10, "lost": 0, "doubled": 0, "again": 1,
        "recovery_s": [0.5], **changes,
    }  # fmt: skip
    return json.dumps(run)


def test_runs_of_a_fault_are_one_row() -> None:
    """Numbers are summed, times give their median and maximum."""
    lines = [_line("killed"), _line("killed", lost=2, recovery_s=[1.0, 3.0]), _line("a", again=0)]
    assert table(lines).splitlines()[2:] == [
        "| a | Valkey 9 | 1 | 10 | 0 | 0 | 0 | 0.50 s / 0.50 s |",
        "| killed | Valkey 9 | 2 | 20 | 2 | 0 | 2 | 1.00 s / 3.00 s |",
    ]


def test_a_fault_without_a_time() -> None:
    """Not every fault has one."""
    assert table([_line("full", recovery_s=[])]).endswith("| 1 |  |")


@pytest.mark.parametrize("line", ["no json", "[]", "{}", "3"])
def test_a_line_that_is_no_result(line: str) -> None:
    """It is named by its number."""
    with pytest.raises(ValueError, match="line 2 is no result"):
        table([_line("a"), line])


def test_results_are_added_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """New lines are kept beside the page, and the page has them; a check sees what is not up to date."""
    shown = tmp_path / "reliability.md"
    shown.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    (tmp_path / "new").write_text(_line("killed") + "\n")
    assert main(["--check"], tmp_path) == 1
    assert main([str(tmp_path / "new")], tmp_path) == 0
    assert "| killed | Valkey 9 | 1 |" in shown.read_text()
    assert shown.read_text().startswith("before\n")
    assert shown.read_text().endswith(f"{END}\nafter\n")
    assert main([], tmp_path) == main(["--check"], tmp_path) == 0
    assert main([str(tmp_path / "missing")], tmp_path) == 1
    assert "missing" in capsys.readouterr().err


def test_a_page_without_a_place() -> None:
    """It says what is missing."""
    with pytest.raises(ValueError, match="results: begin"):
        page("nothing", [])


def test_the_page_is_what_the_results_say() -> None:
    """Nobody has written into the table by hand."""
    assert main(["--check"], DOCS) == 0
