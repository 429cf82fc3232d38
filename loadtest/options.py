"""What a benchmark was asked to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        server: ``redis7``, ``valkey``, ``redis8`` or a URL.
        say: Called with a line of progress.
        tasks: How many tasks a cell takes; ``None`` = the benchmark's own default.
        only: Names of the cells to run; empty = all.
        rate: Tasks a second of ``endtoend``; ``None`` = its default.
        runs: How often each cell is measured; the report has medians.
        prototype: A folder with ``hotpath.py`` to run beside; ``None`` = without.
        scripts: Whether ``drain`` counts the script calls of a second in mid-run.
    """

    server: str
    say: Callable[[str], None]
    tasks: int | None = None
    only: tuple[str, ...] = ()
    rate: int | None = None
    runs: int = 1
    prototype: Path | None = None
    scripts: bool = False

    def wants(self, name: str) -> bool:
        """Whether the cell of this name is to run."""
        return not self.only or name in self.only
