"""How long to wait before the next try of what Redis did not answer: full jitter, for ever."""

from random import Random
from typing import Final

FIRST_S: Final = 0.05
#: Low enough that everything resumes within two seconds of Redis coming back.
LONGEST_S: Final = 1.0


class Backoff:
    """The waits of one thing that is repeated until it succeeds."""

    __slots__ = ("_rng", "failures")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        #: How often it failed since it last succeeded.
        self.failures = 0

    def next_s(self) -> float:
        """It failed: seconds until the next try, drawn evenly below a bound that doubles each time."""
        bound = min(FIRST_S * 2.0 ** min(self.failures, 16), LONGEST_S)
        self.failures += 1
        return self._rng.uniform(0, bound)

    def reset(self) -> None:
        """It succeeded."""
        self.failures = 0
