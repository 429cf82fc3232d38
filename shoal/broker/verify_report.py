"""What `shoal verify` says: findings with a code word, and the report of a whole walk."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """What can be wrong, one word each; wire format of ``shoal verify --json``."""

    #: A task's hash lacks its type or its place, or has a state that does not exist.
    BAD_TASK = "bad_task"
    #: What a task's handler reported of itself is longer than allowed, or damaged.
    BAD_NOTES = "bad_notes"
    #: A key has another Redis type than docs/keyspace.md says.
    WRONG_TYPE = "wrong_type"
    #: A PENDING or RUNNING task's entry is not in its stream: nothing will ever claim it.
    TASK_WITHOUT_ENTRY = "task_without_entry"
    #: An entry names a task that has no hash.
    ENTRY_WITHOUT_TASK = "entry_without_task"
    #: An entry names a task whose hash names another entry.
    SECOND_ENTRY = "second_entry"
    #: An entry names a task that has ended or waits for its time.
    ENTRY_OF_IDLE_TASK = "entry_of_idle_task"
    #: An entry is not of the form that Shoal writes.
    BAD_ENTRY = "bad_entry"
    #: Two places name different types for one task.
    TYPE_DIFFERS = "type_differs"
    #: The pending list has an entry that the stream has not.
    PENDING_WITHOUT_ENTRY = "pending_without_entry"
    #: A stream has no consumer group.
    NO_GROUP = "no_group"
    #: A stream's queue is not among the partition's queues: no claim visits it.
    QUEUE_UNLISTED = "queue_unlisted"
    #: A task is missing in an index of its state, or in `scheduled`.
    INDEX_MISSING = "index_missing"
    #: A task that was charged with a crash stands where every shard may take it.
    NOT_ISOLATED = "not_isolated"
    #: An index names a task that is not of its state, type, due time or fingerprint.
    INDEX_WRONG = "index_wrong"
    #: A COMPLETED task is in no entry of the journal: retention never finds it.
    JOURNAL_MISSING = "journal_missing"
    #: An id stands twice in the journal: its task was completed twice.
    JOURNAL_REPEATED = "journal_repeated"
    #: The journal of all types and that of one type disagree.
    JOURNAL_DIFFERS = "journal_differs"
    #: An entry of a journal is not of the form that Shoal writes.
    BAD_JOURNAL = "bad_journal"
    #: A field of `ready` is not what the streams hold.
    READY_DIFFERS = "ready_differs"
    #: A field of `counts` is not what the hashes say.
    COUNTS_DIFFER = "counts_differ"
    #: A unique key is held by nobody, by a task that has ended, or by one that does not name it.
    UNIQUE_ORPHAN = "unique_orphan"
    #: A task that has not ended does not hold its unique key.
    UNIQUE_NOT_HELD = "unique_not_held"
    #: A task that waits for others is not SCHEDULED, or is due all the same.
    WAITING_WRONG = "waiting_wrong"
    #: A task waits for another that will never tell it: neither among its dependents nor in the outbox.
    WAITING_LOST = "waiting_lost"
    #: A task with dependents has ended, and nothing says that they are to be told.
    NOTICE_MISSING = "notice_missing"
    #: A member of `outbox` is no notice, or one of another partition.
    BAD_NOTICE = "bad_notice"
    #: A member of `dependents:<id>` is no task, or not of the partition that its score says.
    BAD_DEPENDENT = "bad_dependent"
    #: A consumer or sleeper is an incarnation that `beats` does not know.
    WITHOUT_BEAT = "without_beat"
    #: An incarnation has been silent for three leases, and nobody recovered it though others work here.
    SILENT = "silent"
    #: The record of an operation over many tasks is not of the form that Shoal writes.
    BAD_OPERATION = "bad_operation"
    #: A schedule can't tick, or does not stand where ticks are looked for.
    BAD_SCHEDULE = "bad_schedule"
    #: An API key can't be read or told, or something is kept of one that is gone.
    BAD_API_KEY = "bad_api_key"
    #: An entry of the audit log is not of the form that Shoal writes.
    BAD_AUDIT = "bad_audit"
    #: A point of the series, or a bucket of the histograms, is not of the form that Shoal writes.
    BAD_SERIES = "bad_series"
    #: A key that docs/keyspace.md does not know.
    UNKNOWN_KEY = "unknown_key"
    #: A key that must expire and has no expiry.
    UNBOUNDED_KEY = "unbounded_key"
    #: Redis refused to read something, mostly because a key has a wrong type.
    UNREADABLE = "unreadable"
    #: A key of this namespace under a tag that no partition in use has.
    UNSERVED_PARTITION = "unserved_partition"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be."""

    code: Code
    #: ``None``: it concerns the whole namespace.
    partition: int | None
    #: The key as Redis has it.
    key: str
    sentence: str
    #: Of tasks or entries; may be empty.
    ids: tuple[str, ...] = ()
    #: The entry of a stream that it is about, or empty.
    entry: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "code": self.code.value,
            "partition": self.partition,
            "key": self.key,
            "ids": list(self.ids),
            "sentence": self.sentence,
        }

    def __str__(self) -> str:
        return f"{self.code.value}: {self.sentence} [{self.key}]"


@dataclass(slots=True)
class Report:
    """The outcome of one walk over a namespace."""

    #: How many partitions there are.
    partitions: int
    findings: list[Finding] = field(default_factory=list)
    #: Task hashes seen.
    tasks: int = 0
    #: Partitions whose `counts` could not be judged, since they never stood still.
    busy: list[int] = field(default_factory=list)
    #: Partitions that could not be read, with the reason.
    skipped: dict[int, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing was found and every partition was read."""
        return not self.findings and not self.skipped

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": self.ok,
            "partitions": self.partitions,
            "tasks": self.tasks,
            "findings": [finding.as_dict() for finding in self.findings],
            "busy": self.busy,
            "skipped": {str(number): reason for number, reason in self.skipped.items()},
        }

    def lines(self) -> list[str]:
        """For people: one line for each finding, the summary last."""
        out = [str(finding) for finding in self.findings]
        out += [f"partition {number} was not read: {why}" for number, why in self.skipped.items()]
        if self.busy:
            numbers = ", ".join(map(str, self.busy))
            out.append(f"the counts of partitions in use could not be judged: {numbers}")
        found = f"{len(self.findings)} findings" if self.findings else "nothing found"
        out.append(f"{self.tasks} tasks in {self.partitions} partitions: {found}")
        return out
