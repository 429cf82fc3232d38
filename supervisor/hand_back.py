"""Keeps a releaser running for each dead shard until its tasks are handed back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shoal.broker.results import Blame
from shoal.supervisor.launcher import Helper
from shoal.supervisor.slot import Ending
from shoal.telemetry.logs import logger

__all__ = ["HandBack", "Job"]

#: The pause before a releaser that failed is forked again, in seconds; doubled each time.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0


@dataclass(slots=True)
class Job:
    """One dead incarnation whose tasks must go back."""

    incarnation: str
    died_s: float
    reason: str = "killed"
    blame: Blame | None = None
    helper: Helper | None = None
    #: When to fork a releaser, if none runs; monotonic seconds.
    due_s: float = 0.0
    failures: int = 0


class HandBack:
    """The releasers of one supervisor.

    A releaser waits for Redis by itself and for ever; one that ends without having reported is
    forked again.
    """

    def __init__(
        self,
        fork: Callable[[str, str, Blame | None], Helper],
        isolated: Callable[[], None],
    ) -> None:
        """Begin without any.

        Args:
            fork: Forks a releaser for an incarnation, with the reason and the blame; may raise OSError.
            isolated: Called when a releaser says that some tasks are for an isolation shard now.
        """
        self._fork = fork
        self._isolated = isolated
        self._jobs: list[Job] = []

    def add(self, incarnation: str, now_s: float, blame: Blame | None = None) -> None:
        """A shard died; its releaser is forked before this returns."""
        reason = "crashed" if blame else "killed"
        job = Job(incarnation, died_s=now_s, due_s=now_s, reason=reason, blame=blame)
        self._jobs.append(job)
        self._launch(job, now_s)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What is not handed back yet."""
        return tuple(self._jobs)

    def fork_due(self, now_s: float) -> None:
        """Fork the releasers whose pause is over."""
        for job in self._jobs:
            if job.helper is None and job.due_s <= now_s:
                self._launch(job, now_s)

    def next_due_s(self) -> float | None:
        """When to call ``fork_due`` next; None = there is nothing to fork."""
        return min((job.due_s for job in self._jobs if job.helper is None), default=None)

    def ended(self, job: Job, ending: Ending, now_s: float) -> int:
        """A job's releaser ended; returns how many tasks it handed back."""
        reported = job.helper.report.text if job.helper else ""
        job.helper = None
        numbers = reported.split()
        if ending.is_clean and len(numbers) == 2 and all(map(str.isdigit, numbers)):
            self._jobs.remove(job)
            if int(numbers[1]):
                self._isolated()
            took_ms = (now_s - job.died_s) * 1000
            logger.info(
                "handed back {} tasks of {}, {:.0f} ms after its end",
                numbers[0],
                job.incarnation,
                took_ms,
            )
            return int(numbers[0])
        self._again(job, f"its releaser ended: {ending}", now_s)
        return 0

    def _launch(self, job: Job, now_s: float) -> None:
        try:
            job.helper = self._fork(job.incarnation, job.reason, job.blame)
        except OSError as error:
            self._again(job, f"no releaser can be forked: {error.strerror}", now_s)

    def _again(self, job: Job, reason: str, now_s: float) -> None:
        job.failures += 1
        pause_s = min(_FIRST_PAUSE_S * 2.0 ** min(job.failures - 1, 10), _LONGEST_PAUSE_S)
        job.due_s = now_s + pause_s
        logger.error(
            "the tasks of {} are not handed back yet, {}; again in {:.1f} s",
            job.incarnation,
            reason,
            pause_s,
        )
