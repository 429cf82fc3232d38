"""What fails a check, and what it says."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository with the file size script in it."""
    (tmp_path / "scripts").mkdir()
    shutil.copy2(SCRIPTS / "file_sizes.py", tmp_path / "scripts")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script with this interpreter."""
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("lines", "status", "word"), [(400, 0, ""), (401, 0, "a warning"), (501, 1, "split it")]
)
def test_a_long_file_is_a_question_and_a_very_long_one_an_error(
    repository: Path, lines: int, status: int, word: str
) -> None:
    """400 lines pass, 401 are warned about and 501 fail the check, which names the file."""
    (repository / "long.py").write_text("x = 1\n" * lines)
    result = run(repository / "scripts" / "file_sizes.py")
    assert result.returncode == status
    assert (f"long.py: {lines} lines" in result.stdout) == bool(word)
    assert word in result.stdout


def test_documents_may_be_long(repository: Path) -> None:
    """Only code is measured: a page of a thousand lines passes."""
    (repository / "page.md").write_text("line\n" * 1000)
    assert run(repository / "scripts" / "file_sizes.py").returncode == 0


def report(covered: int, branches: int, entered: int) -> dict[str, Any]:
    """A coverage report of ten functions, 100 statements and 100 branches."""
    functions: dict[str, Any] = {
        f"f{i}": {"summary": {"num_statements": 1, "covered_lines": int(i < entered)}}
        for i in range(10)
    }
    # The module's own level is no function.
    functions[""] = {"summary": {"num_statements": 1, "covered_lines": 0}}
    return {
        "totals": {
            "covered_lines": covered,
            "num_statements": 100,
            "covered_branches": branches,
            "num_branches": 100,
        },
        "files": {"m.py": {"functions": functions}},
    }


@pytest.mark.parametrize(
    ("figures", "missed"),
    [
        ((80, 75, 9), []),
        ((79, 75, 9), ["statements"]),
        ((80, 74, 9), ["branches"]),
        ((80, 75, 8), ["functions"]),
        ((0, 0, 0), ["statements", "branches", "functions"]),
    ],
)
def test_coverage_has_three_floors(
    tmp_path: Path, figures: tuple[int, int, int], missed: list[str]
) -> None:
    """Statements 80 %, branches 75 % and functions 85 % pass; what is below is named."""
    (tmp_path / "coverage.json").write_text(json.dumps(report(*figures)))
    result = run(SCRIPTS / "coverage_floor.py", tmp_path / "coverage.json")
    assert result.returncode == (1 if missed else 0)
    assert [line.split()[2] for line in result.stdout.splitlines() if "below" in line] == missed


def test_without_python_the_remedy_is_said(tmp_path: Path) -> None:
    """With no Python on PATH the scripts end with one line that says what to install."""
    for tool in ("dirname", "cksum"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    bash = shutil.which("bash")
    assert bash is not None
    program = f'set -euo pipefail; . "{SCRIPTS}/lib/venv.sh"; ensure_venv dev'
    # The scratch environment is under tmp_path, so the repository's is left alone.
    result = subprocess.run(
        [bash, "-c", program],
        env={"PATH": str(tmp_path), "SHOAL_VENV": str(tmp_path / "venv")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: no Python 3.11 or newer on PATH: install one")
    assert len(result.stderr.splitlines()) == 1
