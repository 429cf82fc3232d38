"""When to restart a shard that ended, and when to give up; pure, the clock is an argument.

A life is *productive* when the shard was ready and either processed a task or lived for
``stable_s``. The first deaths of unproductive lives in a row are followed by an immediate restart,
later ones by a growing pause. All deaths of the last ``window_s`` are added up over all shards,
those of productive lives at a quarter: an operator or the kernel may kill working shards again and
again without ending the host's work, while shards that cannot live end it soon and loudly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

__all__ = ["Life", "RestartBudget", "RestartPolicy"]


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How patient a supervisor is."""

    #: Over how long deaths are added up, in seconds.
    window_s: float = 60.0
    #: Deaths within the window, per shard, that are still borne.
    deaths_per_shard: float = 10.0
    #: What the death of a productive life counts.
    productive_weight: float = 0.25
    #: How long a ready shard must live to count as productive without having processed anything.
    stable_s: float = 10.0
    #: Unproductive lives in a row that are restarted without a pause.
    immediate: int = 3
    #: The first pause, in seconds; each further one is twice as long.
    initial_backoff_s: float = 0.25
    #: The longest pause, in seconds.
    max_backoff_s: float = 15.0
    #: The longest pause before a start that waits for Redis: when it is back, work goes on at once.
    max_postponed_s: float = 1.0

    def __post_init__(self) -> None:
        if self.initial_backoff_s <= 0 or self.max_backoff_s < self.initial_backoff_s:
            raise ValueError("the pauses must be positive, the longest not below the first")
        if self.window_s <= 0 or self.deaths_per_shard <= 0:
            raise ValueError("the window and the deaths borne in it must be positive")

    def backoff_s(self, unproductive: int) -> float:
        """The pause after this many unproductive lives in a row, in seconds."""
        doublings = unproductive - self.immediate - 1
        if doublings < 0:
            return 0.0
        # Beyond 30 doublings the cap is certain, and the power would overflow some day.
        return min(self.max_backoff_s, self.initial_backoff_s * 2.0 ** min(doublings, 30))


@dataclass(frozen=True, slots=True)
class Life:
    """What came of one shard process."""

    was_ready: bool
    #: From its fork to its end, in seconds.
    lived_s: float
    #: Tasks it processed.
    processed: int = 0


class RestartBudget:
    """Decides after each death of a shard; one for all shards of a supervisor."""

    def __init__(self, policy: RestartPolicy | None = None) -> None:
        self._policy = policy or RestartPolicy()
        self._deaths: deque[tuple[float, float]] = deque()
        self._unproductive: dict[int, int] = {}

    def died(self, slot: int, life: Life, *, shards: int, now_s: float) -> float | None:
        """A shard ended that should not have.

        Args:
            slot: Its place.
            life: What came of it.
            shards: How many shards there should be now.
            now_s: Monotonic time in seconds, never decreasing.

        Returns:
            The pause before its replacement, in seconds, 0 = none; None = give up.
        """
        policy = self._policy
        is_productive = life.was_ready and (life.processed > 0 or life.lived_s >= policy.stable_s)
        streak = 0 if is_productive else self._unproductive.get(slot, 0) + 1
        self._unproductive[slot] = streak
        self._deaths.append((now_s, policy.productive_weight if is_productive else 1.0))
        while self._deaths[0][0] <= now_s - policy.window_s:
            self._deaths.popleft()
        if sum(weight for _, weight in self._deaths) > policy.deaths_per_shard * max(shards, 1):
            return None
        return policy.backoff_s(streak)

    def postponed(self, slot: int) -> float:
        """A shard could not start for a reason that will pass; it never makes one give up.

        Returns:
            The pause before the next try, in seconds, never 0.
        """
        streak = self._unproductive.get(slot, 0) + 1
        self._unproductive[slot] = streak
        pause_s = self._policy.backoff_s(self._policy.immediate + streak)
        return min(pause_s, self._policy.max_postponed_s)

    def settled(self, slot: int) -> None:
        """The slot's shard has proven itself, or ended as it should: its streak is over."""
        self._unproductive.pop(slot, None)
