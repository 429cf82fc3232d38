"""A cell: how many shards, and how many tasks each runs at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Cell(NamedTuple):
    """So many shard processes with so many slots each."""

    shards: int
    concurrency: int

    @property
    def name(self) -> str:
        """As the report names it, e.g. ``4x50``."""
        return f"{self.shards}x{self.concurrency}"


CELLS: Final[Mapping[str, Cell]] = {
    cell.name: cell for cell in (Cell(1, 100), Cell(4, 50), Cell(100, 10))
}
"""The three shapes of the record: few large shards, some, many small ones."""
