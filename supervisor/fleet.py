"""The slots of one supervisor: how many there are, and how many there should be."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.model.identity import ISOLATION_INDEX
from shoal.supervisor.board import Board
from shoal.supervisor.slot import Phase, Slot

__all__ = ["Fleet"]


class Fleet:
    """Slots by index; a slot is never removed, only emptied and filled again."""

    def __init__(self, shards: int, board: Board) -> None:
        self._board = board
        self._slots = [Slot(index, board.page(index)) for index in range(shards)]
        #: Of the isolation shard, which is one of no number that operators choose.
        self.isolation = Slot(ISOLATION_INDEX, board.page(ISOLATION_INDEX))
        #: How many shards there should be.
        self.target = shards

    @property
    def board(self) -> Board:
        """The pages of the shards, and what is counted of all of them."""
        return self._board

    def __iter__(self) -> Iterator[Slot]:
        return iter([*self._slots, self.isolation])

    def ordinary(self) -> list[Slot]:
        """All slots but that of the isolation shard."""
        return list(self._slots)

    def alive(self) -> list[Slot]:
        """The slots with a process."""
        return [slot for slot in self if slot.is_alive]

    def ready(self) -> list[Slot]:
        """The ordinary slots whose shard can claim."""
        return [slot for slot in self._slots if slot.phase is Phase.READY]

    def waiting(self) -> list[Slot]:
        """The slots that will get a process."""
        return [slot for slot in self if slot.phase is Phase.WAITING]

    def grow(self) -> Slot | None:
        """The slot for one shard more; None = the board has no place left."""
        slot = next((slot for slot in self._slots if slot.phase is Phase.EMPTY), None)
        if slot is None:
            if len(self._slots) == self._board.places:
                return None
            slot = Slot(len(self._slots), self._board.page(len(self._slots)))
            self._slots.append(slot)
        self.target += 1
        return slot

    def shrink(self) -> Slot | None:
        """The slot whose shard must go, the last; None = there is one only."""
        staying = [s for s in self._slots if s.phase is not Phase.EMPTY and not s.is_stopping]
        if self.target <= 1 or not staying:
            return None
        self.target -= 1
        return staying[-1]
