"""The verbs as data: the script, the partition, its arguments, and how to read the reply.

A call is sent by :class:`shoal.broker.broker.Broker` (asyncio) or
:class:`shoal.broker.sync_broker.SyncBroker` (blocking) alike. Here alone seconds become milliseconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shoal.broker.keys import stream_name, unique_digest
from shoal.broker.pages import ListedTask, Place, Slice, bounds
from shoal.broker.results import (
    Blame,
    CancelResult,
    Claim,
    Claimed,
    Depths,
    Inspected,
    KeyHolder,
    NoteItem,
    Outcome,
    Pruned,
    Recovered,
    Released,
    Renewed,
    RequeueResult,
    SettleStatus,
    Submission,
    Submitted,
    UnknownClaim,
)
from shoal.broker.scripts import Script, script
from shoal.config import Settings
from shoal.model.partition import share
from shoal.model.transitions import State

T = TypeVar("T")

#: The most tasks one script call may carry.
MAX_TASKS = 256
#: The most bytes of payloads or results one script call may carry.
MAX_BYTES = 4 * 1024 * 1024

#: How long an idempotency key stands for its task: 24 hours.
IDEMPOTENCY_MS = 86_400_000

Argument = bytes | str | int | float


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One script call on one partition. Safe to send again with the same arguments."""

    script: Script
    partition: int
    arguments: tuple[Argument, ...] | list[Argument]
    decode: Callable[[Any], T]


def ms(seconds: float) -> int:
    """Whole milliseconds, as Redis and Lua speak."""
    return round(seconds * 1000)


class Calls:
    """Builds calls; holds what a namespace's settings add to every call.

    Args:
        settings: Limits, retention and lease.
        partitions: How many partitions the limits are divided among.
    """

    def __init__(self, settings: Settings, partitions: int) -> None:
        self._lease_ms = ms(settings.worker.lease_s)
        self._max_crashes = settings.worker.max_crashes
        self._partitions = partitions
        self._mode = "w" if settings.priority_mode == "weighted" else ""
        limit, retention = settings.limit, settings.retention
        self._limits = [
            (
                share(limit.max_queue_size, n, partitions),
                share(limit.max_scheduled, n, partitions),
                limit.max_types,
                limit.max_queues,
            )
            for n in range(partitions)
        ]
        self._keep = [share(retention.count, n, partitions) for n in range(partitions)]
        self._age_ms = ms(retention.days * 86_400)
        self._tombstone_ms = ms(retention.tombstone_s)

    def submit(self, partition: int, tasks: Sequence[Submission]) -> Call[list[Submitted]]:
        """Accept tasks; at most :data:`MAX_TASKS`."""
        arguments: list[Argument] = list(self._limits[partition % self._partitions])
        for task in tasks:
            due = ""
            if task.delay_s:
                due = f"+{ms(task.delay_s)}"
            elif task.due_s is not None:
                due = str(ms(task.due_s))
            if task.parents or task.retention_s is not None:
                due = self._more(task, due)
            unique = unique_digest(task.unique_key) if task.unique_key is not None else ""
            arguments += (
                task.id,
                task.type,
                stream_name(task.queue, task.priority),
                due,
                unique,
                task.spec,
            )

        def decode(reply: list[Any]) -> list[Submitted]:
            out = [Submitted(task.id, "new") for task in tasks]
            for index, status in zip(reply[1::2], reply[2::2], strict=True):
                word, _, holder = status.decode().partition(":")
                out[index - 1] = Submitted(holder or tasks[index - 1].id, word)
            return out

        return Call(script("submit"), partition, arguments, decode)

    def _more(self, task: Submission, due: str) -> str:
        """The due time with what few tasks have; see ``lua/submit.lua``."""
        retention = ""
        if task.retention_s is not None:
            # Late copies of its outcome must be known for as long as those of any other task.
            kept_ms = max(ms(task.retention_s), self._tombstone_ms)
            retention = f"{'r' if task.retention_s else 'f'}{kept_ms}"
        on_failure = "run" if task.runs_anyway else ""
        return f"{due}|{retention}|{on_failure}|{' '.join(task.parents)}"

    def prune_type(self, partition: int, type: str, age_s: float) -> Call[Pruned]:
        """Remove a slice of what of one type is past the retention of that type."""
        return Call(
            script("prune_type"),
            partition,
            (type, ms(age_s), self._tombstone_ms),
            lambda r: Pruned(r[0], r[1], r[2], r[3] == 1),
        )

    def claim(
        self,
        partition: int,
        incarnation: str,
        number: int,
        want: int,
        *,
        queues: Sequence[str] = (),
        sleep_s: float = 0.0,
        ignore_counters: bool = False,
        isolated: bool = False,
    ) -> Call[Claimed]:
        """Take at most ``want`` ready tasks; see ``lua/claim.lua``."""
        flags = ("i" if ignore_counters else "") + ("x" if isolated else "") + self._mode
        want = min(want, MAX_TASKS)
        head = (incarnation, number, want, ms(sleep_s), self._lease_ms, flags)
        return Call(script("claim"), partition, [*head, *queues], _claimed)

    def settle(
        self, partition: int, incarnation: str, outcomes: Sequence[Outcome]
    ) -> Call[list[SettleStatus]]:
        """Record outcomes; at most :data:`MAX_TASKS` and :data:`MAX_BYTES`."""
        keep = self._keep[partition % self._partitions]
        arguments: list[Argument] = [incarnation, keep, self._tombstone_ms]
        for outcome in outcomes:
            arguments += outcome
        n = len(outcomes)

        def decode(reply: list[Any]) -> list[SettleStatus]:
            out: list[SettleStatus] = ["ok"] * n
            for index, status in zip(reply[1::2], reply[2::2], strict=True):
                out[index - 1] = status.decode()
            return out

        return Call(script("settle"), partition, arguments, decode)

    def renew(
        self,
        partition: int,
        incarnation: str,
        claims: Sequence[tuple[bytes, bytes]],
        rotation: int = 0,
    ) -> Call[Renewed]:
        """Keep the right to run ``(id, token)``; without any it only says that Redis is in contact."""
        arguments: list[Argument] = [incarnation, self._lease_ms, rotation, len(claims)]
        for claim in claims:
            arguments += claim
        return Call(script("renew"), partition, arguments, _renewed)

    def note(self, partition: int, incarnation: str, items: Sequence[NoteItem]) -> Call[list[int]]:
        """Store what handlers say; decodes to the places of those whose token does not hold."""
        arguments: list[Argument] = [incarnation]
        for item in items:
            arguments += item
        return Call(script("note"), partition, arguments, lambda r: [k - 1 for k in r[1:]])

    def release(
        self, partition: int, incarnation: str, reason: str, blame: Blame | None = None
    ) -> Call[Released]:
        """Hand back a slice of all that an incarnation has; ``blame`` goes with the reason ``crashed``."""
        arguments: list[Argument] = [incarnation, reason]
        if blame is not None:
            arguments += (blame.cause, self._max_crashes)
            for charge in blame.charges:
                # The task is charged in its own partition, its type in all of them.
                arguments += (charge.token if charge.partition == partition else "", charge.type)
        return Call(
            script("release"), partition, arguments, lambda r: Released(r[0], r[1] == 1, r[2])
        )

    def recover(self, partition: int, incarnation: str, *, full: bool = False) -> Call[Recovered]:
        """Hand back what the dead have not renewed for a lease."""
        return Call(
            script("recover"),
            partition,
            (incarnation, self._lease_ms, int(full)),
            lambda r: Recovered(r[0], r[1], r[2] == 1),
        )

    def wake(self, partition: int, queue: str, hops: int) -> Call[bool]:
        """Pass a wake-up on."""
        return Call(script("wake"), partition, (queue, hops), lambda r: r == 1)

    def cancel(self, partition: int, ids: Sequence[str], reason: str) -> Call[list[CancelResult]]:
        """Cancel what waits, ask for the cancel of what runs."""

        def decode(reply: list[Any]) -> list[CancelResult]:
            words = [word.decode() for word in reply]
            return [CancelResult(*row) for row in zip(ids, words[0::2], words[1::2], strict=True)]

        return Call(script("cancel"), partition, (reason, *ids), decode)

    def requeue(
        self, partition: int, ids: Sequence[str], operation_id: str
    ) -> Call[list[RequeueResult]]:
        """Make FAILED, DEAD and CANCELLED tasks ready again."""

        def decode(reply: list[Any]) -> list[RequeueResult]:
            words = [word.decode() for word in reply]
            return [RequeueResult(*row) for row in zip(ids, words[0::2], words[1::2], strict=True)]

        return Call(script("requeue"), partition, (operation_id, *ids), decode)

    def idempotency(
        self, partition: int, digest: str, task_id: str, request_hash: str
    ) -> Call[KeyHolder]:
        """Ask which task an idempotency key stands for."""

        def decode(reply: list[Any]) -> KeyHolder:
            return KeyHolder(reply[0].decode(), reply[1].decode() if len(reply) > 1 else "")

        arguments = (digest, task_id, request_hash, IDEMPOTENCY_MS)
        return Call(script("idempotency"), partition, arguments, decode)

    def inspect(self, partition: int, ids: Sequence[str]) -> Call[list[Inspected | None]]:
        """Read tasks as they stand."""

        def decode(reply: list[Any]) -> list[Inspected | None]:
            return [
                None if row is None else _inspected(task_id, row)
                for task_id, row in zip(ids, reply, strict=True)
            ]

        return Call(script("inspect"), partition, tuple(ids), decode)

    def list_tasks(
        self, partition: int, state: State, type: str | None, after: Place | None, limit: int
    ) -> Call[Slice]:
        """One partition's part of a page, and where it stopped."""

        def place(mark: str, at_ms: int | None = None) -> Place:
            at = int(mark.partition("-")[0]) if at_ms is None else at_ms
            return Place(at, state, partition, mark)

        def decode(reply: list[Any]) -> Slice:
            rows = [
                ListedTask(task_id.decode(), place(mark.decode(), int(at)))
                for task_id, at, mark in zip(*(reply[n::3] for n in (1, 2, 3)), strict=True)
            ]
            stopped = reply[0].decode()
            if rows and rows[-1].place.mark == stopped:
                return Slice(rows, rows[-1].place)
            return Slice(rows, place(stopped) if stopped else None)

        arguments = (state.value, type or "", *bounds(after, state, partition), limit)
        return Call(script("list_tasks"), partition, arguments, decode)

    def prune(
        self, partition: int, events_s: float = 60.0, types: Sequence[str] = ()
    ) -> Call[Pruned]:
        """Remove a slice of what is past its retention; trim the journals of at most 256 types."""
        keep = self._keep[partition % self._partitions]
        head: tuple[Argument, ...] = (keep, self._age_ms, self._tombstone_ms, ms(events_s))
        return Call(
            script("prune"),
            partition,
            (*head, *types[:MAX_TASKS]),
            lambda r: Pruned(r[0], r[1], r[2], r[3] == 1),
        )

    def depths(self, partition: int, queues: Sequence[str] = ()) -> Call[Depths]:
        """What may be taken now, and when more becomes due."""
        return Call(
            script("depths"),
            partition,
            tuple(queues),
            lambda r: Depths(r[0], (r[1], r[2], r[3], r[4]), r[5], r[6], r[7]),
        )

    def queues(self, partition: int) -> Call[list[Any]]:
        """Raw counters; read by :mod:`shoal.broker.admin`."""
        return Call(script("queues"), partition, (), lambda r: r)

    def simple(self, verb: str, partition: int, *arguments: Argument) -> Call[int]:
        """A verb that answers with a number: pause, resume, partition_*."""
        return Call(script(verb), partition, arguments, int)


def _claimed(reply: Any) -> Claimed:
    if not isinstance(reply, list):
        return Claimed(reply.decode(), 0, [], (0, 0, 0, 0), 0, 0)
    fields = iter(reply[8:])
    claims = [Claim._make(row) for row in zip(fields, fields, fields, fields, fields, strict=True)]
    return Claimed(
        "ok", reply[1], claims, (reply[2], reply[3], reply[4], reply[5]), reply[6], reply[7]
    )


def _renewed(reply: Any) -> Renewed:
    if not isinstance(reply, list):
        return Renewed("dead", [], [], [])
    fields = iter(reply[3])
    unknown = [UnknownClaim._make(row) for row in zip(fields, fields, fields, strict=True)]
    return Renewed("ok", reply[1], reply[2], unknown)


def _inspected(task_id: str, row: list[Any]) -> Inspected:
    names = (name.decode() for name in row[3::2])
    return Inspected(
        task_id,
        row[0].decode(),
        row[1].decode() or None,
        int(row[2]),
        dict(zip(names, row[4::2], strict=True)),
    )


def slices(outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
    """Outcomes in parts that each fit one settle call, order kept."""
    if len(outcomes) <= MAX_TASKS and sum(len(o.body) for o in outcomes) <= MAX_BYTES:
        return [outcomes]
    parts: list[Sequence[Outcome]] = []
    part: list[Outcome] = []
    size = 0
    for outcome in outcomes:
        if part and (len(part) >= MAX_TASKS or size + len(outcome.body) > MAX_BYTES):
            parts.append(part)
            part, size = [], 0
        part.append(outcome)
        size += len(outcome.body)
    parts.append(part)
    return parts
