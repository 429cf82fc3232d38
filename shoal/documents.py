"""What answers look like: for the OpenAPI document, whose schemas are made from these.

Handlers write their answers from the model's own documents; a tester that drives every address by the
OpenAPI document holds the two against each other.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

Json = Any
#: ISO 8601 in UTC with milliseconds.
Time = str


class ProblemDocument(Struct, kw_only=True):
    """What went wrong (RFC 9457); ``code`` never changes its meaning."""

    type: str
    title: str
    status: int
    code: str
    detail: str | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET


class Accepted(Struct):
    """A task that was accepted."""

    task_id: str
    state: str | None


class BatchAnswer(Struct):
    """For each task of the batch, in order, an ``Accepted`` or a problem."""

    results: list[dict[str, Json]]
    accepted: int
    rejected: int


class RetryPolicyDocument(Struct):
    """How failures are retried; durations are seconds."""

    max_retries: int
    strategy: str
    initial_backoff: float
    max_backoff: float
    backoff_factor: float
    jitter: bool


class AttemptDocument(Struct):
    """One run of a task, or an interruption."""

    number: int | None
    worker_id: str | None
    started_at: Time | None
    duration: float | None
    outcome: str
    error: str | None


class TaskDocument(Struct, kw_only=True):
    """A task; pages leave out what ``include`` does not name."""

    id: str
    type: str
    queue: str
    priority: str
    state: str
    retry_policy: RetryPolicyDocument
    timeout: float
    scheduled_at: Time | None
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    attempts: int
    worker_id: str | None
    metadata: dict[str, str]
    depends_on: list[str]
    reason: str | None
    progress: dict[str, Json] | None
    cancel_requested: bool
    payload: Json = UNSET
    result: Json = UNSET
    error: Json = UNSET
    history: list[AttemptDocument] | UnsetType = UNSET


class TaskPage(Struct):
    """A page of tasks, newest first."""

    tasks: list[TaskDocument]
    total: int
    limit: int
    offset: int
    next_cursor: str | None


class CancelAnswer(Struct):
    """Whether it is CANCELLED, or was asked to stop."""

    task_id: str
    cancelled: bool
    state: str
    cancel_requested: bool | UnsetType = UNSET


class RequeueAnswer(Struct):
    """A task that is ready again."""

    task_id: str
    requeued: bool
    was: str
    state: str


class Health(Struct):
    """Words only."""

    status: str
    redis: str
    workers: int | None
    #: Only where a part of a cluster is away.
    partitions_away: int | UnsetType = UNSET


class PrincipalDocument(Struct):
    """Who asks."""

    name: str
    role: str
    scopes: list[str]
    expires_at: Time | None


class Ticket(Struct):
    """Opens one WebSocket, within ``expires_in`` seconds."""

    ticket: str
    expires_in: float


class OperationDocument(Struct, kw_only=True):
    """A move of many tasks, and how far it is."""

    id: str
    verb: str
    state: str
    selection: dict[str, Json]
    by: str
    #: Tasks a second; ``null`` = as fast as it goes.
    rate: float | None
    started_at: Time
    ended_at: Time | None
    answers: dict[str, int]
    tasks: int
    progress: float
    error: str | None


class OperationList(Struct):
    """The newest first."""

    operations: list[OperationDocument]


class ScheduleDocument(Struct, kw_only=True):
    """A schedule, and how far it is."""

    id: str
    cron: str
    tz: str
    type: str
    queue: str
    missed: str
    source: str
    paused: bool
    next: Time | None
    last: Time | None
    last_task: str | None
    ticks: int


class ScheduleWithTask(ScheduleDocument, kw_only=True):
    """A schedule, and the task that it submits; ``null`` = what holds for its type."""

    priority: str
    payload: Json
    timeout: float | None
    max_retries: int | None
    metadata: dict[str, str]
    retention: float | None


class ScheduleList(Struct):
    """By id."""

    schedules: list[ScheduleDocument]


class Triggered(Struct):
    """The task that was submitted."""

    task_id: str
    schedule: str


class WorkerDocument(Struct, kw_only=True):
    """A worker, which is a shard process; memory is in bytes."""

    id: str
    state: str
    concurrency: int
    current_tasks: int
    processed_count: int
    failed_count: int
    started_at: Time
    last_heartbeat: Time
    host: str
    pid: int
    version: str
    queues: list[str]
    memory: int
    utilisation: float
    #: ``latency``, ``memory``, ``cpu``; empty = it is not.
    throttled: list[str]


class WorkerList(Struct):
    """The live ones, by id."""

    workers: list[WorkerDocument]


class WishAnswer(Struct):
    """What is wished of a worker now; it hears of it with its next heartbeat."""

    id: str
    desired: str | None
    changed: bool


class QueueDocument(Struct, kw_only=True):
    """A priority: sums over its queues, and each of them."""

    priority: str
    depth: int
    returned: int
    isolated: int
    paused: bool
    throughput: float
    oldest_age: float
    queues: list[dict[str, Json]]


class QueueList(Struct):
    """The four priorities, highest first."""

    queues: list[QueueDocument]


class PeekAnswer(Struct):
    """What will be claimed next."""

    priority: str
    tasks: list[dict[str, Json]]


class SwitchAnswer(Struct):
    """Which queues are paused or not, and where that changed."""

    priority: str
    queues: list[str]
    paused: bool
    changed: list[str]


class PurgeAnswer(Struct):
    """How many tasks were cancelled, and whether all were looked at."""

    priority: str
    queue: str | None
    purged: int
    done: bool


class DeadGroupList(Struct):
    """What the DEAD tasks died of, the largest group first, and of how many that was counted."""

    groups: list[dict[str, Json]]
    counted: int


class MetricsDocument(Struct, kw_only=True):
    """The deployment in numbers; ages are seconds, memory bytes."""

    workers: int
    slots: int
    running: int
    utilisation: float
    memory: int
    tasks: dict[str, int]
    dlq: int
    depth: dict[str, int]
    throughput: float
    oldest_age: float
    settled: int


class ReloadAnswer(Struct):
    """Names of the settings that have another value now, and of those that only a restart changes."""

    changed: list[str]
    needs_restart: list[str]


class AuditEntryDocument(Struct, kw_only=True):
    """What an operator did."""

    id: str
    at: Time
    who: str
    action: str
    target: str
    outcome: str
    detail: dict[str, Json]
    address: str | UnsetType = UNSET


class AuditPage(Struct):
    """Newest first."""

    entries: list[AuditEntryDocument]
    next_cursor: str | None


class WorkersTogether(Struct):
    """All live workers together; ``utilisation`` is the mean of theirs, 0 to 1."""

    live: int
    busy: int
    slots: int
    used: int
    utilisation: float


class QueueFigures(Struct):
    """One queue at one priority."""

    queue: str
    priority: str
    depth: int
    returned: int
    isolated: int
    paused: bool
    throughput: float
    oldest_age: float
    level: str


class Stats(Struct):
    """Exact numbers and rates of the whole deployment."""

    tasks: dict[str, int]
    totals: dict[str, int]
    rates: dict[str, float]
    depth: dict[str, int]
    oldest_age: dict[str, float]
    workers: WorkersTogether
    queues: list[QueueFigures]


class Percentiles(Struct):
    """Of each step: how many tasks were measured, and percentiles in seconds."""

    count: list[int | None]
    p50: list[float | None]
    p95: list[float | None]
    p99: list[float | None]


class SeriesDocument(Struct):
    """Numbers over time: each list has a value for each of ``times``; ``null`` = not known."""

    now: str
    range: int
    step: int
    times: list[int]
    rates: dict[str, list[float | None]]
    tasks: dict[str, list[int | None]]
    depth: dict[str, list[int | None]]
    workers: dict[str, list[int | None]]
    wait: Percentiles
    run: Percentiles
