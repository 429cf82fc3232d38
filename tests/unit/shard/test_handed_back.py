"""Where a shard claims first after another one died."""

from __future__ import annotations

from shoal.shard.handed_back import BELIEVED_S, HandedBack

NORMAL, CRITICAL = 1, 3


def _any(_partition: int) -> bool:
    return True


def test_nothing_was_handed_back() -> None:
    """Then the claimer is not asked to do anything about it."""
    waiting = HandedBack()
    assert not waiting
    assert waiting.next([NORMAL], _any, 0.0) is None


def test_no_more_is_asked_for_than_waits_there() -> None:
    """And when that is taken, the next partition has its turn, until nothing is left."""
    waiting = HandedBack()
    waiting.read(0, 7, 0.0)
    waiting.heard(2, 3, 0.0)
    ranks = [NORMAL] * 3
    assert waiting.next(ranks, _any, 0.0) == (0, 7)
    waiting.claimed(0, 5, is_full=True)
    assert waiting.next(ranks, _any, 0.0) == (0, 2)
    assert waiting.next(ranks, lambda partition: partition != 0, 0.0) == (2, 3)
    waiting.claimed(0, 2, is_full=True)
    assert waiting.next(ranks, _any, 0.0) == (2, 3)
    waiting.claimed(2, 3, is_full=True)
    assert not waiting


def test_a_claim_that_finds_less_ends_it() -> None:
    """Others were faster, and the partition has nothing more at all."""
    waiting = HandedBack()
    waiting.heard(1, 20, 0.0)
    waiting.claimed(1, 4, is_full=False)
    assert not waiting


def test_slices_of_one_release_add_up_and_a_reading_replaces_them() -> None:
    """Each message tells of more; a reading tells all, zero too."""
    waiting = HandedBack()
    waiting.heard(0, 256, 0.0)
    waiting.heard(0, 44, 0.0)
    assert waiting.next([NORMAL], _any, 0.0) == (0, 300)
    waiting.read(0, 10, 0.0)
    assert waiting.next([NORMAL], _any, 0.0) == (0, 10)
    waiting.read(0, 0, 0.0)
    assert not waiting


def test_it_is_not_believed_for_long() -> None:
    """A word that nothing repeats is forgotten."""
    waiting = HandedBack()
    waiting.heard(0, 5, 10.0)
    assert waiting.next([NORMAL], _any, 10.0 + BELIEVED_S) == (0, 5)
    assert waiting.next([NORMAL], _any, 10.1 + BELIEVED_S) is None
    assert not waiting


def test_urgent_work_goes_first() -> None:
    """Elsewhere CRITICAL: that is claimed by the usual rule; where it is itself urgent it goes first."""
    waiting = HandedBack()
    waiting.heard(0, 5, 0.0)
    assert waiting.next([NORMAL, CRITICAL], _any, 0.0) is None
    assert waiting.next([CRITICAL, CRITICAL], _any, 0.0) == (0, 5)
