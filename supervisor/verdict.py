"""What follows the end of a shard; one pure decision."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import Enum

from shoal.errors import ExitStatus
from shoal.lifecycle import EXIT_RECYCLED, EXIT_STAYS_DOWN
from shoal.supervisor.restart import Life
from shoal.supervisor.slot import Ending

__all__ = ["End", "Verdict", "judge"]

#: Signals that come from outside: they say nothing about whether shards can start here.
_OUTSIDE = frozenset({int(signal.SIGKILL), int(signal.SIGTERM)})


class Verdict(Enum):
    """What the supervisor does with the slot."""

    #: Nothing: it ended as it should, and no other is wanted.
    NOTHING = "nothing"
    #: Nothing, but the supervisor's own exit status must tell that it did not end as it should.
    SPOILED = "spoiled"
    #: Fork its successor at once; this end counts for nothing.
    SUCCEED = "succeed"
    #: Fork its successor when the restart budget says so.
    REPLACE = "replace"
    #: Try again later, for ever: what is missing will come back.
    POSTPONE = "postpone"
    #: End the supervisor: no shard can start here.
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class End:
    """All that is known about one end."""

    ending: Ending
    life: Life
    #: Exit status and message of the start that failed; None = it did not say so.
    failure: tuple[int, str] | None
    #: Whether it was told to go, and whether its successor is wanted all the same.
    was_told: bool
    is_rolling: bool
    #: Whether it said on its page that it has come to its own end.
    has_ended: bool = True
    #: Whether the supervisor killed it for what it did.
    is_guilty: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether it ended well: exit status 0 alone is also what user code may exit with."""
        return self.ending.is_clean and (self.has_ended or not self.life.was_ready)

    @property
    def how(self) -> str:
        """In one word, for whoever counts: one of ``shoal.supervisor.board.EXITS``."""
        if self.failure is not None:
            return "failed"
        if self.is_clean:
            return "clean"
        return "killed" if self.ending.signal in _OUTSIDE and not self.is_guilty else "crashed"

    @property
    def is_lost(self) -> bool:
        """Whether it may have left tasks behind, which must be handed back for it.

        A shard that was told to go before it could claim holds nothing, whatever ended it.
        """
        may_hold = self.life.was_ready or not self.was_told
        return not self.is_clean and self.failure is None and may_hold


def judge(end: End, *, is_draining: bool, is_burst: bool, any_was_ready: bool) -> Verdict:
    """Decide.

    Args:
        end: What ended.
        is_draining: Whether the whole supervisor is ending.
        is_burst: Whether shards end by themselves when no work is left.
        any_was_ready: Whether any shard has been ready since the supervisor started.
    """
    if is_draining or (end.was_told and not end.is_rolling):
        return Verdict.SPOILED if end.is_lost else Verdict.NOTHING
    if end.failure is not None or not end.is_clean:
        return _judge_failed(end, any_was_ready=any_was_ready)
    if end.is_rolling:
        return Verdict.SUCCEED
    return _judge_clean(end, is_burst=is_burst)


def _judge_failed(end: End, *, any_was_ready: bool) -> Verdict:
    is_from_outside = end.ending.signal in _OUTSIDE
    if not any_was_ready and not end.life.was_ready and not is_from_outside:
        return Verdict.ABANDON
    if end.failure is not None and end.failure[0] == ExitStatus.REDIS_UNREACHABLE:
        return Verdict.POSTPONE
    return Verdict.SUCCEED if end.is_rolling and end.life.was_ready else Verdict.REPLACE


def _judge_clean(end: End, *, is_burst: bool) -> Verdict:
    is_recycled = end.ending.exit_status == EXIT_RECYCLED
    if end.ending.exit_status == EXIT_STAYS_DOWN or (is_burst and not is_recycled):
        return Verdict.NOTHING
    # One that ends without having done anything must not do so in a tight loop.
    return Verdict.SUCCEED if end.life.was_ready and end.life.processed else Verdict.REPLACE
