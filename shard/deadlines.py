"""When running tasks are past their time: one timer for all of them. Pure.

A task costs one comparison at its start and nothing at its end. Only the earliest deadline is
known; when it comes, whatever still runs is looked through, and the next earliest found. Most of
the time the task it belonged to has ended long before.
"""

from collections.abc import Iterable
from math import inf
from typing import Final, Protocol, TypeVar

#: Two looks are at least this far apart, in seconds, so that a thousand tasks which time out one
#: after another cost two hundred looks a second and not a thousand.
SPACING_S: Final = 0.005


class Timed(Protocol):
    """Something with a deadline, in seconds of the clock that ``sweep`` is given; ``inf`` = none."""

    deadline: float


T = TypeVar("T", bound=Timed)


class Deadlines:
    """The time of the next look."""

    __slots__ = ("_last", "next_at")

    def __init__(self) -> None:
        #: When to call ``sweep``; ``inf`` while nothing has a deadline.
        self.next_at = inf
        self._last = -inf

    def note(self, deadline: float) -> bool:
        """A task with this deadline has begun.

        Returns:
            Whether ``next_at`` came nearer, so that the timer must be set again.
        """
        if deadline >= self.next_at:
            return False
        at = max(deadline, self._last + SPACING_S)
        if at >= self.next_at:
            return False
        self.next_at = at
        return True

    def sweep(self, now: float, running: Iterable[T]) -> list[T]:
        """What of ``running`` is past its deadline now; sets ``next_at`` for the others.

        Whoever is returned must get another deadline (and be noted) or ``inf``.
        """
        expired: list[T] = []
        earliest = inf
        for task in running:
            if task.deadline <= now:
                expired.append(task)
            elif task.deadline < earliest:
                earliest = task.deadline
        self._last = now
        self.next_at = max(earliest, now + SPACING_S)
        return expired
