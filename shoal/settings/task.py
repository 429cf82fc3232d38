"""What holds for tasks: their defaults, the limits of submission, how long they are kept."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.model.retry import MAX_RETRIES_LIMIT
from shoal.settings.kinds import Duration, Number, Size, Whole
from shoal.settings.setting import setting


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What holds for a task that says nothing else."""

    default_timeout_s: float = setting(
        "DEFAULT_TASK_TIMEOUT",
        300.0,
        Duration(0.001, 30 * 86_400),
        "How long one attempt may take.",
    )
    max_retries: int = setting(
        "MAX_RETRIES", 3, Whole(0, MAX_RETRIES_LIMIT, "retries"), "Retries after the first attempt."
    )
    max_payload_bytes: int = setting(
        "SHOAL_MAX_PAYLOAD", 1024**2, Size(1024, 3 * 1024**2), "The largest payload, as JSON."
    )


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """At what numbers submissions are refused; over all partitions together."""

    max_queue_size: int = setting(
        "MAX_QUEUE_SIZE",
        1_000_000,
        Whole(1, 10**12, "tasks"),
        "PENDING tasks in one queue and priority.",
    )
    queue_warning: float = setting(
        "SHOAL_QUEUE_WARNING", 0.8, Number(0.01, 1, "share"),
        "At what share of MAX_QUEUE_SIZE a worker warns that a queue fills up.",
    )  # fmt: skip
    max_scheduled: int = setting(
        "SHOAL_MAX_SCHEDULED", 1_000_000, Whole(1, 10**12, "tasks"),
        "Tasks that wait for their time or for other tasks.",
    )  # fmt: skip
    max_types: int = setting(
        "SHOAL_MAX_TYPES", 1000, Whole(1, 100_000, "types"), "Different task types."
    )
    max_queues: int = setting(
        "SHOAL_MAX_QUEUES", 100, Whole(1, 10_000, "queues"), "Different queues."
    )

    @property
    def warning_depth(self) -> float:
        """From how many PENDING tasks on a queue and priority counts as nearly full."""
        return max(1.0, self.max_queue_size * self.queue_warning)

    def level_of(self, depth: float) -> str:
        """``ok``, ``high`` from the warning depth on, or ``full``, when more is refused."""
        if depth >= self.max_queue_size:
            return "full"
        return "high" if depth >= self.warning_depth else "ok"


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long ended tasks are kept; whichever limit comes first."""

    days: float = setting(
        "TASK_RETENTION_DAYS", 7.0, Number(0, 3650, "days"), "How long an ended task is kept."
    )
    count: int = setting(
        "SHOAL_TASK_RETENTION_COUNT",
        1_000_000,
        Whole(0, 10**12, "tasks"),
        "How many COMPLETED tasks are kept; others go by age.",
    )
    tombstone_s: float = setting(
        "SHOAL_TOMBSTONE", 60.0, Duration(1, 86_400),
        "How long the id of an ended task is remembered at least: a late copy of it is then known.",
    )  # fmt: skip
