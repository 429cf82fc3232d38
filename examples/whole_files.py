"""Files that are there whole or not at all, whatever happens to the process that writes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """Write beside ``target`` and move it there at the end; a second run replaces the first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two runs of one task may overlap after a lost lease, so each has its own name.
    partial = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
