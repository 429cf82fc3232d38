"""A task as clients see it, and the JSON document it is shown as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shoal.model.attempt import OUTCOMES_THAT_COUNT, HistoryLine
from shoal.model.note import LogLine
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy
from shoal.model.transitions import State


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of a task, or one that was interrupted."""

    #: From 1, anew after a requeue; a run that does not count has the number of the next.
    number: int
    #: The incarnation that ran it.
    worker_id: str
    started_at: datetime | None
    #: Seconds.
    duration: float
    #: A word such as ``completed`` or ``failed``; for an interruption its reason.
    outcome: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything that is known of a task at one moment.

    The names are those of the API's JSON. Times are aware and in UTC, durations are seconds;
    ``None`` = not yet, or not at all.
    """

    id: str
    type: str
    state: State
    created_at: datetime
    queue: str = "default"
    priority: Priority = Priority.NORMAL
    payload: Any = None
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    #: How long one attempt may take.
    timeout: float
    #: When it becomes ready; ``None`` = it was at once.
    scheduled_at: datetime | None = None
    #: Of the last attempt.
    started_at: datetime | None = None
    #: When it became terminal.
    completed_at: datetime | None = None
    #: What the handler returned; ``None`` as well while there is none.
    result: Any = None
    #: What went wrong last: an object with ``type`` and ``message``.
    error: Any = None
    #: Attempts used up since the last requeue.
    attempts: int = 0
    #: The incarnation that runs it, or ran it last.
    worker_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: Oldest first.
    history: Sequence[Attempt] = ()
    #: Ids of the tasks that it depends on.
    depends_on: Sequence[str] = ()
    #: Those of them that it still waits for.
    waiting_for: Sequence[str] = ()
    #: Why it is DEAD or CANCELLED, in one word.
    reason: str | None = None
    #: What the handler reported last: ``fraction``, ``attempt``, ``at`` (Unix ms) and what else it gave.
    progress: Mapping[str, Any] | None = None
    #: What its handlers wrote with ``ctx.log``, oldest first, over all attempts.
    log: Sequence[LogLine] = ()

    def to_json(self) -> dict[str, Any]:
        """The document of the API: times in ISO 8601 with milliseconds, the priority's name."""
        policy = self.retry_policy
        return {
            "id": self.id,
            "type": self.type,
            "queue": self.queue,
            "priority": self.priority.name,
            "payload": self.payload,
            "state": self.state.value,
            "retry_policy": {
                "max_retries": policy.max_retries,
                "strategy": policy.strategy,
                "initial_backoff": policy.initial_backoff,
                "max_backoff": policy.max_backoff,
                "backoff_factor": policy.backoff_factor,
                "jitter": policy.jitter,
            },
            "timeout": self.timeout,
            "scheduled_at": format_time(self.scheduled_at),
            "created_at": format_time(self.created_at),
            "started_at": format_time(self.started_at),
            "completed_at": format_time(self.completed_at),
            "result": self.result,
            "error": self.error,
            "attempts": self.attempts,
            "worker_id": self.worker_id,
            "metadata": dict(self.metadata),
            "history": [
                {
                    "number": attempt.number,
                    "worker_id": attempt.worker_id,
                    "started_at": format_time(attempt.started_at),
                    "duration": attempt.duration,
                    "outcome": attempt.outcome,
                    "error": attempt.error,
                }
                for attempt in self.history
            ],
            "depends_on": list(self.depends_on),
            "waiting_for": list(self.waiting_for),
            "reason": self.reason,
            "progress": None if self.progress is None else _progress_json(self.progress),
            "log": [
                {
                    "attempt": line.attempt,
                    "at": format_time(line.at),
                    "level": line.level,
                    "message": line.message,
                }
                for line in self.log
            ],
        }


def _progress_json(progress: Mapping[str, Any]) -> dict[str, Any]:
    at = progress.get("at")
    return {**progress, "at": format_time(from_unix_ms(at)) if isinstance(at, int) else None}


def attempts_of(lines: Sequence[HistoryLine]) -> tuple[Attempt, ...]:
    """Number the attempts of a history, oldest first; requeues begin the numbers anew."""
    attempts = []
    used_up = 0
    for line in lines:
        if line.kind == "requeued":
            used_up = 0
            continue
        attempts.append(
            Attempt(
                number=used_up + 1,
                worker_id=line.worker,
                started_at=from_unix_ms(line.start_ms),
                duration=line.duration_us / 1_000_000,
                outcome=line.outcome,
                error=line.error or None,
            )
        )
        used_up += line.kind == "run" and line.outcome in OUTCOMES_THAT_COUNT
    return tuple(attempts)


def from_unix_ms(unix_ms: int) -> datetime | None:
    """A stored time as people's; 0 = not recorded = ``None``."""
    if not unix_ms:
        return None
    # Not through a float of seconds, which would lose the last millisecond now and then.
    whole, ms = divmod(unix_ms, 1000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=ms * 1000)


def format_time(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with milliseconds: ``2025-11-24T04:00:00.000Z``."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
