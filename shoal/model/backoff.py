"""How long to wait before something that failed is tried again."""

import random


class Backoff:
    """Exponential backoff with full jitter: many that failed together do not come back together.

    Args:
        first_s: The bound of the first delay, in seconds.
        limit_s: The bound of every later one, in seconds.
        rng: Draws the delays; ``None`` = one of its own.
    """

    __slots__ = ("_bound_s", "_first_s", "_limit_s", "_rng")

    def __init__(
        self, first_s: float = 0.05, limit_s: float = 1.0, rng: random.Random | None = None
    ) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._bound_s = first_s
        self._rng = rng or random.Random()

    def next_s(self) -> float:
        """The next delay in seconds, at random below a bound that doubles up to its limit."""
        delay = self._rng.uniform(0, self._bound_s)
        self._bound_s = min(self._bound_s * 2, self._limit_s)
        return delay

    def reset(self) -> None:
        """Begin again after a success."""
        self._bound_s = self._first_s
