"""The wheel, from the tree and by way of the sdist."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pytest

import shoal
from tests.packaging.conftest import ROOT, build
from tests.support.dashboard import STATIC

#: Folders of the repository, and where they stand in the package.
FOLDERS = {
    "shoal": "shoal",
    "supervisor": "shoal/supervisor",
    "shard": "shoal/shard",
    "api": "shoal/api",
}


def tree_files() -> set[str]:
    """Every module, Lua script and marker of the tree, and the dashboard, under its name in the package."""
    found = {
        f"shoal/api/static/{path.relative_to(STATIC)}"
        for path in STATIC.rglob("*")
        if path.is_file()
    }
    for folder, place in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT / folder)
            # Python 3.13 follows links in a pattern, 3.11 does not; each file is counted once.
            if folder == "shoal" and inside.parts[0] in FOLDERS:
                continue
            if path.suffix in {".py", ".lua"} or path.name == "py.typed":
                found.add(f"{place}/{inside}")
    return found


def package_files(wheel: Path) -> set[str]:
    """Files of a wheel but for its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_installs_one_package(wheel: Path) -> None:
    """Nothing but shoal and its metadata lands in a user's site-packages."""
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert top == {"shoal", f"shoal-{shoal.__version__}.dist-info"}


def test_the_wheel_holds_the_tree(wheel: Path) -> None:
    """Its modules, Lua scripts, typing marker and dashboard are exactly those of the four folders."""
    assert package_files(wheel) == tree_files()


def test_the_sdist_builds_the_same_wheel(wheel: Path, wheel_by_sdist: Path) -> None:
    """A wheel built from the sdist, where the links are folders, has the same files."""
    assert package_files(wheel_by_sdist) == package_files(wheel)


def test_the_metadata_says_what_it_is(wheel: Path) -> None:
    """Version, license and the command come from one place each."""
    with zipfile.ZipFile(wheel) as archive:
        info = f"shoal-{shoal.__version__}.dist-info"
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        commands = archive.read(f"{info}/entry_points.txt").decode()
        names = archive.namelist()
    assert metadata["Version"] == shoal.__version__
    assert metadata["License-Expression"] == "MIT"
    assert f"{info}/licenses/LICENSE" in names
    assert "shoal = shoal.cli.main:main" in commands


def test_the_installed_wheel_imports(wheel: Path, tmp_path: Path) -> None:
    """Installed elsewhere, each of the three processes imports from there, not from the tree."""
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(target), str(wheel)], check=True)
    program = (
        "import shoal.supervisor, shoal.shard, shoal.api\n"
        "print(shoal.supervisor.__file__, shoal.shard.__file__, shoal.api.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(Path(file).is_relative_to(target) for file in run.stdout.split())


@pytest.mark.parametrize("how", ["a text file", "missing"])
def test_a_build_with_a_lost_link_fails_with_one_line(
    source_copy: Callable[[], Path], how: str
) -> None:
    """A link that a zip download turned into a text file, or that is gone, is named in one line."""
    source = source_copy()
    link = source / "shoal" / "shard"
    link.unlink()
    if how == "a text file":
        link.write_text("../shard")
    run = build(source, "--wheel")
    assert run.returncode != 0
    (line,) = [text for text in (run.stdout + run.stderr).splitlines() if "error: shoal/" in text]
    assert line.startswith("error: shoal/shard must link to ../NAME, and the link is lost")
    assert not list(source.glob("dist/*.whl"))


def test_without_a_dashboard_and_without_node_no_wheel_is_built(
    source_copy: Callable[[], Path], tmp_path: Path
) -> None:
    """A wheel that would show an empty page is not made; the message says what to do."""
    source = source_copy()
    (source / "api" / "static" / "index.html").unlink()
    (tmp_path / "python").symlink_to(sys.executable)
    run = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", str(source)],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "there is no Node 20.19 or newer" in run.stdout + run.stderr
    assert not list(source.glob("dist/*.whl"))
