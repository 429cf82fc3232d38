"""Builds Shoal once for all packaging tests, in a copy, so that the repository stays clean."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.dashboard import STATIC, build_dashboard

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def source_copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes fresh copies of what git tracks or would track; links stay links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).exists()]
    # What git ignores and the build would only make again.
    build_dashboard()
    names += [str(path.relative_to(ROOT)) for path in STATIC.rglob("*") if path.is_file()]

    def copy() -> Path:
        target = tmp_path_factory.mktemp("source")
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
        return target

    return copy


def build(source: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m build`` with the build tools of this environment."""
    return subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *arguments, str(source)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def wheel(source_copy: Callable[[], Path]) -> Path:
    """A wheel built from the tree."""
    source = source_copy()
    run = build(source, "--wheel")
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = (source / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="session")
def wheel_by_sdist(source_copy: Callable[[], Path]) -> Path:
    """A wheel built from the sdist that was built from the tree."""
    source = source_copy()
    run = build(source)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = (source / "dist").glob("*.whl")
    return path
