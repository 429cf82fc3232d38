"""The names of events, and why a worker left."""

from enum import StrEnum


class EventType(StrEnum):
    """What happened; the ``type`` of an event on every channel."""

    #: Accepted, and ready now.
    TASK_SUBMITTED = "task.submitted"
    #: Accepted, and waits for its time or its dependencies.
    TASK_SCHEDULED = "task.scheduled"
    #: A worker began to run it.
    TASK_STARTED = "task.started"
    #: Its handler reported progress.
    TASK_PROGRESS = "task.progress"
    #: The backoff is over; it is ready again.
    TASK_RETRYING = "task.retrying"
    #: Its handler returned.
    TASK_COMPLETED = "task.completed"
    #: An attempt failed; ``will_retry`` says whether another follows.
    TASK_FAILED = "task.failed"
    #: Taken back.
    TASK_CANCELLED = "task.cancelled"
    #: Will not run again by itself; follows the last ``task.failed``.
    TASK_DEAD = "task.dead"
    #: An operator put it back.
    TASK_REQUEUED = "task.requeued"
    #: A worker registered.
    WORKER_JOINED = "worker.joined"
    #: A worker is gone, with a ``LeaveReason``.
    WORKER_LEFT = "worker.left"
    #: A worker claims nothing until it is resumed.
    WORKER_PAUSED = "worker.paused"
    #: A worker claims again.
    WORKER_RESUMED = "worker.resumed"
    #: Depths of the queues; with a level when one is above its threshold.
    QUEUE_DEPTH = "queue.depth"
    #: Figures of the whole system.
    SYSTEM_METRICS = "system.metrics"


class LeaveReason(StrEnum):
    """Why a worker is gone."""

    #: It drained and said goodbye.
    SHUTDOWN = "shutdown"
    #: Its heartbeats stopped.
    LOST = "lost"
    #: Its process ended by a signal or an error.
    CRASHED = "crashed"
