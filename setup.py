"""Stops a build that would lack a third of Shoal; everything else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup

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

setup()
