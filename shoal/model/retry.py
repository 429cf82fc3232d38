"""Retry policies: whether a failed task runs again, and when."""

import math
from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from shoal.model.duration import MAX_DURATION_S

Strategy = Literal["exponential", "linear", "fixed"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

#: A task's history keeps 100 lines, and attempts are counted there.
MAX_RETRIES_LIMIT = 99


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed task runs again. Durations are seconds.

    Raises:
        ValueError: A value is out of its range; the message names it.
    """

    #: Retries after the first attempt, 0 to 99; 0 means that one failure is the last.
    max_retries: int = 3
    #: ``exponential``: grows by ``backoff_factor``; ``linear``: by ``initial_backoff``; ``fixed``.
    strategy: Strategy = "exponential"
    #: Backoff before the first retry; 0 = at once.
    initial_backoff: float = 1.0
    #: No backoff is longer; at least ``initial_backoff``.
    max_backoff: float = 300.0
    #: Growth from one retry to the next, at least 1; only ``exponential`` uses it.
    backoff_factor: float = 2.0
    #: Draw each backoff evenly from 0 up to the computed one, so that tasks which failed together
    #: do not return together.
    jitter: bool = True

    def __post_init__(self) -> None:
        """Validate every field."""
        _check_int("max_retries", self.max_retries, 0, MAX_RETRIES_LIMIT)
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"strategy must be one of {', '.join(STRATEGIES)}, not {self.strategy!r:.80}"
            )
        _check_number("initial_backoff", self.initial_backoff, 0, MAX_DURATION_S)
        _check_number("max_backoff", self.max_backoff, 0, MAX_DURATION_S)
        _check_number("backoff_factor", self.backoff_factor, 1, 1e6)
        if self.max_backoff < self.initial_backoff:
            raise ValueError(
                f"max_backoff ({self.max_backoff:g} s) must be at least "
                f"initial_backoff ({self.initial_backoff:g} s)"
            )
        if not isinstance(self.jitter, bool):
            raise ValueError(f"jitter must be true or false, not {self.jitter!r:.80}")  # noqa: TRY004 - bad input

    def allows(self, failures: int) -> bool:
        """Whether a task that failed this many times, the last one included, runs again."""
        return failures <= self.max_retries

    def backoff_s(self, retry: int, rng: Random) -> float:
        """Seconds to wait before a retry.

        Args:
            retry: Which one, from 1.
            rng: Draws the jitter; unused without it.

        Raises:
            ValueError: ``retry`` is below 1.
        """
        if retry < 1:
            raise ValueError(f"retries are counted from 1, not {retry}")
        ceiling = min(self._growth(retry), self.max_backoff)
        return rng.uniform(0, ceiling) if self.jitter else ceiling

    def _growth(self, retry: int) -> float:
        if self.strategy == "fixed":
            return self.initial_backoff
        if self.strategy == "linear":
            return self.initial_backoff * retry
        try:
            return self.initial_backoff * self.backoff_factor ** (retry - 1)
        except OverflowError:
            return self.max_backoff


def _check_int(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r:.80}")


def _check_number(name: str, value: object, low: float, high: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type, operator]
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, not {value!r:.80}")
