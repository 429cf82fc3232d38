"""How fast an operation over many tasks goes, where it is not to go as fast as it can."""

from typing import Final

from shoal.model.selection import BulkVerb

#: Tasks a second.
MIN_RATE: Final = 0.1
MAX_RATE: Final = 10_000.0
#: Into how many steps the tasks of a second are divided.
_STEPS_A_SECOND: Final = 4


def check_rate(verb: BulkVerb, rate: float | None) -> None:
    """Make sure that a rate goes with the verb and is in its range.

    Raises:
        ValueError: It does not, or is not.
    """
    if rate is None:
        return
    if verb is not BulkVerb.REQUEUE:
        raise ValueError(f"a rate goes with requeue alone, not with {verb}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(f"a rate is from {MIN_RATE:g} to {MAX_RATE:g} tasks a second")


def step_for(rate: float, most: int) -> int:
    """How many tasks a step takes so that they come evenly, from 1 to ``most``."""
    return max(1, min(most, int(rate / _STEPS_A_SECOND)))


class Pace:
    """Says how long to wait before the next step.

    Args:
        rate: Tasks a second; ``None`` = never wait.
        step_tasks: The most that one step does: what others did before this one began is not waited for.
    """

    def __init__(self, rate: float | None, step_tasks: int) -> None:
        self._rate = rate
        self._step_tasks = step_tasks
        self._seen = 0
        self._next_s = 0.0

    def wait_s(self, done: int, now_s: float) -> float:
        """Seconds until the next step may be taken; 0 = now.

        Args:
            done: Tasks that have had an answer so far.
            now_s: Monotonic.
        """
        if self._rate is None:
            return 0.0
        fresh = min(max(done - self._seen, 0), self._step_tasks)
        if fresh:
            self._seen = done
            self._next_s = max(self._next_s, now_s) + fresh / self._rate
        return max(0.0, self._next_s - now_s)
