"""What goes into the broker's verbs and what comes out of them.

On the hot path ids, types and tokens are ``bytes``, as Redis sent them; elsewhere ``str``.
"""

from typing import Literal, NamedTuple

SubmitStatus = Literal[
    "new", "exists", "queue_full", "too_many_types", "too_many_queues", "unknown_parent"
]
SettleStatus = Literal["ok", "already", "gone", "stale"]
OutcomeWord = Literal["completed", "failed", "dead", "cancelled", "returned", "deferred"]


class Submission(NamedTuple):
    """One task on its way in.

    ``due_s`` is absolute unix time in seconds, ``delay_s`` counts from Redis' clock at submission; at
    most one of them is given, and without both the task is ready at once. ``spec`` is opaque.

    Attributes:
        retention_s: How long it is kept once it has ended; 0 = its contents go at once, and a tombstone
            stays; ``None`` = as long as the server keeps tasks.
        parents: What it waits for: ids of its own partition, and of others with how they were seen to
            stand (see ``lua/submit.lua``).
        runs_anyway: Whether it runs also when a parent does not complete.
    """

    id: str
    type: str
    queue: str
    priority: int
    spec: bytes
    due_s: float | None = None
    delay_s: float | None = None
    unique_key: str | None = None
    retention_s: float | None = None
    parents: tuple[str, ...] = ()
    runs_anyway: bool = False


class Submitted(NamedTuple):
    """What became of one submission.

    ``id`` is the standing task's when the status is ``exists``, the parent's when it is ``unknown_parent``.
    """

    id: str
    status: SubmitStatus


class Claim(NamedTuple):
    """The right to run one task once.

    ``token`` is ``<stream>/<entry id>/<delivery count>`` and is never reused; ``history`` is ``None``
    before the first attempt has been recorded.
    """

    token: bytes
    id: bytes
    type: bytes
    spec: bytes
    history: bytes | None


class Claimed(NamedTuple):
    """The reply to a claim.

    Attributes:
        status: ``old`` = a later call number is on record; ``dead`` = this incarnation was released.
        now_ms: Redis' time.
        claims: At most what was asked for.
        depths: Ready entries this worker may take now, by priority number (index 0 is LOW).
        oldest_ms: Redis' time of the oldest entry still to be read in the streams this claim read; 0 = none.
        wake_ms: When this worker must claim by itself (Redis' time); 0 = it does not stand as a sleeper.
    """

    status: Literal["ok", "old", "dead"]
    now_ms: int
    claims: list[Claim]
    depths: tuple[int, int, int, int]
    oldest_ms: int
    wake_ms: int


class Depths(NamedTuple):
    """What a worker may take of one partition now.

    Attributes:
        now_ms: Redis' time.
        depths: Ready entries by priority number.
        due: Scheduled tasks whose time has come, which the next claim makes ready.
        returned: How many of the ready ones were handed back.
        due_in_ms: Until the next scheduled task is due; -1 = there is none.
    """

    now_ms: int
    depths: tuple[int, int, int, int]
    due: int
    returned: int
    due_in_ms: int


class Outcome(NamedTuple):
    """How one attempt ended.

    Attributes:
        detail: ``+<delay ms>`` for failed and deferred; the reason for dead, cancelled and returned
            (for dead optionally ``reason:fingerprint``); else empty.
        body: The result of completed, the error (JSON) of failed, dead and cancelled; may be empty.
        tail: The end of the history line, made by :func:`shoal.model.attempt.line_tail`.
    """

    token: bytes
    id: bytes
    type: bytes
    outcome: OutcomeWord
    detail: bytes
    body: bytes
    tail: bytes


class NoteItem(NamedTuple):
    """What one run says of itself, to be stored with its task.

    Attributes:
        progress: The last report as JSON; empty = nothing new.
        fraction: Of that report, for the event; 0 to 1.
        first: Number within the run of the first of the lines, from 1.
        lines: Log lines, each with its newline; empty = nothing new.
    """

    token: bytes
    id: bytes
    type: bytes
    progress: bytes
    fraction: float
    first: int
    lines: bytes


class UnknownClaim(NamedTuple):
    """An entry pending under an incarnation that does not know of it; enough to settle it ``returned``."""

    token: bytes
    id: bytes
    type: bytes


class Renewed(NamedTuple):
    """The reply to a renewal.

    Attributes:
        status: ``dead`` = this incarnation was released; everything it runs is lost.
        lost: Tokens that hold no more: stop, their outcome would be refused.
        cancel_requested: Tokens that hold and whose cancel is requested.
        unknown: What is pending under this incarnation, unrenewed for a third of a lease, and was not in the call.
    """

    status: Literal["ok", "dead"]
    lost: list[bytes]
    cancel_requested: list[bytes]
    unknown: list[UnknownClaim]


class Charge(NamedTuple):
    """A task whose code was executing when its shard died; ``type`` is charged with it."""

    partition: int
    token: bytes
    type: bytes


class Blame(NamedTuple):
    """What a shard died of, by its own fault.

    Attributes:
        cause: In a few words, for people: ``killed by SIGSEGV``.
        charges: What was executing; at least one.
    """

    cause: str
    charges: tuple[Charge, ...]


class Released(NamedTuple):
    """The reply to one slice of a release.

    Attributes:
        released: How many tasks the incarnation has no longer.
        done: Whether nothing is left.
        isolated: How many of them only an isolation shard may take now.
    """

    released: int
    done: bool
    isolated: int


class HandedBack(NamedTuple):
    """What a whole release did, over all partitions: tasks, and those of them only an isolation shard may take."""

    tasks: int
    isolated: int


class Recovered(NamedTuple):
    """What one recover call found: tasks handed back, and incarnations removed."""

    recovered: int
    incarnations: int
    waiting_for_grace: bool


class Pruned(NamedTuple):
    """What one prune slice removed."""

    completed: int
    cancelled: int
    dead: int
    more: bool


class KeyHolder(NamedTuple):
    """Which task an idempotency key stands for.

    Attributes:
        status: ``new`` = the key stands for the id given from now on; ``known`` = it stood for ``id``
            already; ``stored`` = so it did, and that task was accepted; ``conflict`` = it stands for
            another request.
        id: Empty for a conflict.
    """

    status: Literal["new", "known", "stored", "conflict"]
    id: str


class CancelResult(NamedTuple):
    """What became of one cancel; ``state`` is the task's state after it, empty when not found."""

    id: str
    status: Literal["cancelled", "requested", "terminal", "not_found"]
    state: str


class RequeueResult(NamedTuple):
    """What became of one requeue; ``state`` is the task's state before it, empty when not found.

    ``key_taken`` = another task holds its unique key now; ``forgotten`` = its payload was not kept.
    """

    id: str
    status: Literal[
        "requeued", "already", "completed", "active", "key_taken", "forgotten", "not_found"
    ]
    state: str


class Inspected(NamedTuple):
    """A task as it stands, read at one instant.

    Attributes:
        state: One of the states; PENDING and RUNNING are derived from where the entry stands.
        worker: The incarnation that runs it, or ``None``.
        delivered_ms: When its lease was last taken or renewed; 0 when not RUNNING.
        fields: The hash: ``spec``, ``type``, ``entry``, and where set ``history``, ``result``,
            ``error``, ``reason``, ``ended``, ``due``, ``cancel``, ``started``, ``crashes``, ``recoveries``,
            ``parents``, and ``waiting``: those of them that have not ended.
    """

    id: str
    state: str
    worker: str | None
    delivered_ms: int
    fields: dict[str, bytes]


class QueueDepth(NamedTuple):
    """Entries of one queue and priority over all partitions.

    ``ready`` counts what waits to be claimed, ``returned`` the part of it that was handed back,
    ``isolated`` what only an isolation shard may take.
    """

    queue: str
    priority: int
    ready: int
    returned: int
    isolated: int
    paused: bool
