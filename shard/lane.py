"""What the claimer knows of one partition, and how long it stays with one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shoal.shard.depths import MAX_STAY_CLAIMS, MAX_STAY_S

if TYPE_CHECKING:
    from shoal.model.backoff import Backoff

#: A higher call number than ours is on record: go far beyond it at once.
_CALL_NUMBER_LEAP: Final = 1_000


class Lane:
    """One partition: its one outstanding claim, and what replies told of it."""

    __slots__ = (
        "answered",
        "asked_at",
        "backoff",
        "call_number",
        "in_flight",
        "is_blind",
        "is_outstanding",
        "is_refused",
        "is_summoned",
        "partition",
        "pending_wake",
        "promised",
        "sleep_s",
        "sleeps_until",
        "timer",
        "want",
    )

    def __init__(self, partition: int, backoff: Backoff) -> None:
        self.partition = partition
        #: Rises by one with each claim, and stays while the same claim is repeated.
        self.call_number = 0
        #: A claim was sent and its reply has not come, be it in flight or waiting to be repeated.
        self.is_outstanding = False
        self.in_flight = False
        self.want = 0
        self.sleep_s = 0.0
        self.is_blind = False
        #: Free slots kept for the reply; at most ``want``.
        self.promised = 0
        #: Monotonic seconds until which this worker stands as a sleeper there; 0 = it does not.
        self.sleeps_until = 0.0
        #: When it was last asked, and when it last answered, in monotonic seconds.
        self.asked_at = 0.0
        self.answered = 0.0
        #: Queue and hops of a wake-up that could not be followed yet.
        self.pending_wake: tuple[str, int] | None = None
        #: Urgent work was announced there while this worker ran nothing: the claim for it sleeps there too.
        self.is_summoned = False
        self.backoff = backoff
        #: The broker refuses claims there with an error, and it was said.
        self.is_refused = False
        self.timer: asyncio.TimerHandle | None = None

    def leap(self) -> None:
        """Take a call number above whatever is on record."""
        self.call_number = self.call_number * 2 + _CALL_NUMBER_LEAP


class Stay:
    """A shard stays with one partition while its claims come back full, but not for ever."""

    __slots__ = ("claims", "is_full", "partition", "since_s")

    def __init__(self) -> None:
        #: Where the last claim of this kind went; -1 = nowhere yet.
        self.partition = -1
        self.claims = 0
        self.since_s = 0.0
        self.is_full = False

    def may_go_on(self, now_s: float) -> bool:
        """Whether the next claim may go there too."""
        return self.is_full and self.claims < MAX_STAY_CLAIMS and now_s - self.since_s < MAX_STAY_S

    def claim(self, partition: int, now_s: float) -> None:
        """A claim goes to ``partition``."""
        if partition != self.partition or not self.may_go_on(now_s):
            self.partition, self.claims, self.since_s = partition, 0, now_s
        self.claims += 1
        self.is_full = False

    def reply(self, partition: int, *, is_full: bool) -> None:
        """The claim there brought all it asked for, or less."""
        if partition == self.partition:
            self.is_full = is_full

    def end(self) -> None:
        """The next claim goes on to another partition, if one has equal work."""
        self.is_full = False
