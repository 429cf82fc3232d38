"""What scripts/test makes of several runs: one summary, and coverage without half-written files."""

import subprocess
import sys
from pathlib import Path

import coverage
import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def run(script: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with this interpreter."""
    command = [sys.executable, *map(str, (SCRIPTS / script, *arguments))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def summary(folder: Path, *last_lines: str) -> subprocess.CompletedProcess[str]:
    """What is said of runs that ended with these lines."""
    logs = []
    for number, line in enumerate(last_lines):
        logs.append(folder / str(number))
        logs[-1].write_text(f"tests/test_a.py .F.\n{line}\n")
    return run("pytest_summary.py", *logs)


@pytest.mark.parametrize(
    ("lines", "together"),
    [
        (
            ("= 2 failed, 3000 passed, 1 warning in 70.50s (0:01:10) =", "= 85 passed in 9.50s ="),
            " 2 failed, 3085 passed, 1 warning in 80.00s (0:01:20) ",
        ),
        (
            ("10 passed, 5 deselected in 1.00s", "= 5 passed, 10 deselected, 1 error in 3.00s ="),
            " 15 passed, 1 error in 4.00s ",
        ),
        (
            ("= 1 passed in 3600.00s (1:00:00) =", "= no tests ran in 0.01s ="),
            " 1 passed in 3600.01s (1:00:00) ",
        ),
    ],
)
def test_the_last_lines_of_two_runs_become_one(
    tmp_path: Path, lines: tuple[str, str], together: str
) -> None:
    """Counts and seconds are added; what one run leaves to the other is not called left out."""
    result = summary(tmp_path, *lines)
    assert result.stdout == together.center(80, "=") + "\n"
    assert result.returncode == 0


def test_a_run_without_an_end_is_an_error(tmp_path: Path) -> None:
    """A run that was killed has no summary: it counts as an error, and the status is 1."""
    result = summary(tmp_path, "= 3 passed in 1.00s =", "tests/test_b.py ...")
    assert " 3 passed, 1 error in 1.00s " in result.stdout
    assert result.returncode == 1


def test_half_written_coverage_is_said_and_the_rest_is_combined(tmp_path: Path) -> None:
    """An empty, a cut and a torn data file are removed and named; the whole one stays."""
    whole = tmp_path / ".coverage.whole"
    data = coverage.CoverageData(str(whole))
    data.add_arcs({f"file{n}.py": {(line, line + 1) for line in range(500)} for n in range(20)})
    data.write()
    data.close()
    content = whole.read_bytes()
    (tmp_path / ".coverage.empty").write_bytes(b"")
    (tmp_path / ".coverage.cut").write_bytes(content[: len(content) // 2])
    torn = bytearray(content)
    torn[8192:16384] = b"\xff" * 8192
    (tmp_path / ".coverage.torn").write_bytes(torn)
    result = run("coverage_files.py", tmp_path)
    assert result.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [whole.name]
    assert "3 coverage data files were cut short" in result.stdout
    assert ".coverage.empty: no such table: coverage_schema" in result.stdout


def test_nothing_is_said_where_nothing_is_cut(tmp_path: Path) -> None:
    """Without data files there is no output."""
    assert run("coverage_files.py", tmp_path).stdout == ""
