"""Stops a build that would lack a third of Shoal; everything else is in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
LINKED = ("supervisor", "shard", "api")


def lost_links() -> list[str]:
    """Name the links (or, in an sdist, the folders) under shoal/ that lead to no package.

    A zip download, or a checkout with core.symlinks=false, turns a link into a small text file;
    setuptools would then leave the package out without a word.
    """
    return [
        f"shoal/{name}" for name in LINKED if not (ROOT / "shoal" / name / "__init__.py").is_file()
    ]


if lost := lost_links():
    sys.exit(
        f"error: {', '.join(lost)} must link to ../NAME, and the link is lost: build from a git "
        "clone made with symbolic links (git config core.symlinks true), or from the sdist"
    )


def need_dashboard() -> None:
    """Build the dashboard if it is not; a package without it is not built."""
    script = ROOT / "scripts" / "build_dashboard.py"
    if subprocess.run([sys.executable, str(script)], check=False).returncode != 0:
        sys.exit("error: no dashboard to put into the package; the lines above say why")


class BuildWithDashboard(build_py):
    """Copies the modules, and the dashboard."""

    def run(self) -> None:
        """As usual; an editable installation reads what stands in the tree, if anything does."""
        if not self.editable_mode:
            need_dashboard()
            # Found by globs before they were there.
            self.data_files = self._get_data_files()
        super().run()


class SdistWithDashboard(sdist):
    """Packs the tree, and the dashboard: who builds from it needs no Node."""

    def run(self) -> None:
        """As usual, with a dashboard."""
        need_dashboard()
        super().run()


setup(cmdclass={"build_py": BuildWithDashboard, "sdist": SdistWithDashboard})
