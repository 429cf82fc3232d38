"""What a partition holds, as a model in plain Python: the contract of docs/keyspace.md without Redis.

Verbs are functions of :mod:`tests.model.worker_verbs` and :mod:`tests.model.operator_verbs`; each takes
the same arguments as its script and returns the reply that the script must give.
"""

from collections import Counter
from dataclasses import dataclass, field

LEASE_MS = 3000
TOMBSTONE_MS = 1000
#: COMPLETED tasks that are kept.
KEEP = 8
#: How long ended tasks are kept.
AGE_MS = 86_400
RETURNED = "returned"
TERMINAL = ("COMPLETED", "CANCELLED", "DEAD")

#: Milliseconds and sequence number, as in Redis.
EntryId = tuple[int, int]


@dataclass(slots=True)
class Entry:
    """One entry of a stream and its row in the pending list."""

    task: str
    type: str
    stream: str
    id: EntryId
    #: ``None``: not taken yet; ``returned``; or an incarnation.
    holder: str | None = None
    count: int = 0
    delivered: int = 0

    @property
    def place(self) -> str:
        """As a task's hash has it."""
        return f"{self.stream}/{self.id[0]}-{self.id[1]}"

    @property
    def token(self) -> str:
        """The claim token."""
        return f"{self.place}/{self.count}"


@dataclass(slots=True)
class Line:
    """One line of a history: ``word`` is a token, or the operation of a requeue."""

    kind: str
    word: str
    at: int
    outcome: str


@dataclass(slots=True)
class Task:
    """A task's hash."""

    id: str
    type: str
    place: str
    state: str | None = None
    due: int | None = None
    unique: str = ""
    cancel: str | None = None
    #: When the state began, in an index; the end of what has ended.
    since: int = 0
    reason: str | None = None
    history: list[Line] = field(default_factory=list)
    crashes: int = 0
    recoveries: int = 0
    is_forgotten: bool = False
    had_parents: bool = False
    has_dependents: bool = False
    runs_anyway: bool = False
    #: ``r`` or ``f`` and milliseconds.
    retention: tuple[str, int] | None = None

    @property
    def stream(self) -> str:
        """Where it stands or goes."""
        return self.place.partition("/")[0]


@dataclass(slots=True)
class World:
    """One partition."""

    now: int
    tasks: dict[str, Task] = field(default_factory=dict)
    streams: dict[str, list[Entry]] = field(default_factory=dict)
    last_ids: dict[str, EntryId] = field(default_factory=dict)
    queues: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    unique: dict[str, str] = field(default_factory=dict)
    scheduled: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, set[str]] = field(default_factory=dict)
    dependents: dict[str, set[str]] = field(default_factory=dict)
    #: Notices ``finished``.
    outbox: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    expiring: dict[str, int] = field(default_factory=dict)
    #: Entry id, then types and ids in order.
    journal: list[tuple[EntryId, list[tuple[str, str]]]] = field(default_factory=list)
    contact: int | None = None
    grace_until: int = 0
    beats: dict[str, int] = field(default_factory=dict)
    #: Incarnation to ``dead``, or its last call number and tokens.
    claimed: dict[str, str | tuple[int, list[str]]] = field(default_factory=dict)
    charges: dict[tuple[str, str], int] = field(default_factory=dict)
    charges_until: int = 0
    isolated_types: dict[str, int] = field(default_factory=dict)

    # -- entries

    def add_id(self, key: str) -> EntryId:
        """The id of the next entry of a stream: time never goes back in one."""
        ms, seq = self.last_ids.get(key, (0, 0))
        made = (self.now, 0) if self.now > ms else (ms, seq + 1)
        self.last_ids[key] = made
        return made

    def make_ready(self, task: Task, stream: str) -> None:
        """A new entry, at the end."""
        entry = Entry(task.id, task.type, stream, self.add_id(stream))
        self.queues.add(stream.partition(":")[0])
        self.streams.setdefault(stream, []).append(entry)
        task.place, task.state, task.due = entry.place, None, None

    def drop(self, entry: Entry) -> None:
        """Out of its stream and the pending list."""
        self.streams[entry.stream].remove(entry)

    def entry_at(self, place: str) -> Entry | None:
        """The entry that stands there."""
        entries = self.streams.get(place.partition("/")[0], [])
        return next((entry for entry in entries if entry.place == place), None)

    def task_of(self, entry: Entry) -> Task | None:
        """The task that stands at this entry: not one that is gone, has ended, or stands elsewhere."""
        task = self.tasks.get(entry.task)
        return task if task and task.state is None and task.place == entry.place else None

    def held(self, token: str, incarnation: str) -> Entry | None:
        """The entry that is pending under this incarnation with this count."""
        place, _, count = token.rpartition("/")
        entry = self.entry_at(place)
        is_held = entry and entry.holder == incarnation and entry.count == int(count)
        return entry if is_held else None

    def pending(self, stream: str, holder: str) -> list[Entry]:
        """What a holder has of one stream."""
        return [entry for entry in self.streams.get(stream, []) if entry.holder == holder]

    def depth(self, stream: str) -> int:
        """Entries that may be claimed."""
        return sum(e.holder in (None, RETURNED) for e in self.streams.get(stream, ()))

    def all_streams(self) -> list[str]:
        """In the order in which they are handed back."""
        return [
            f"{queue}:{priority}{suffix}"
            for queue in sorted(self.queues)
            for priority in (3, 2, 1, 0)
            for suffix in ("", ":isolated")
        ]

    # -- states

    def move(self, type: str, origin: str | None, target: str | None) -> None:
        """One task's counters."""
        for state, by in ((origin, -1), (target, 1)):
            if state:
                self.counts[state] += by
                self.counts[f"{state}:{type}"] += by

    def state_of(self, task: Task) -> str:
        """The state that people see."""
        if task.state:
            return task.state
        entry = self.entry_at(task.place)
        return "RUNNING" if entry and entry.holder not in (None, RETURNED) else "PENDING"

    def end(self, task: Task, state: str, reason: str | None = None) -> None:
        """COMPLETED, CANCELLED or DEAD; the caller moves the counters and the entry."""
        task.state, task.since, task.reason = state, self.now, reason
        task.cancel = task.due = None
        if task.unique and self.unique.get(task.unique) == task.id:
            del self.unique[task.unique]
        if task.had_parents and state == "CANCELLED":
            for parent in self.waiting.pop(task.id, ()):
                self.dependents.get(parent, set()).discard(task.id)
        if task.had_parents or task.has_dependents:
            self.ended[task.id] = state
        if task.has_dependents:
            self.outbox.append(f"finished {state} {self.now} {task.id}")
        if task.retention:
            word, keep = task.retention
            self.expiring[task.id] = self.now + keep
            if word == "f":
                task.is_forgotten, task.crashes, task.recoveries = True, 0, 0
                del task.history[:-1]

    def forget(self, task: Task) -> None:
        """The hash goes, and with it its places in the indexes."""
        del self.tasks[task.id]
        self.move(task.type, task.state, None)

    def is_sound(self) -> bool:
        """Whether no hash has been taken away by force that something still stands for."""
        right = Counter[str]()
        for task in self.tasks.values():
            state = self.state_of(task)
            right[state] += 1
            right[f"{state}:{task.type}"] += 1
        entries = (entry for stream in self.streams.values() for entry in stream)
        return all(self.task_of(entry) for entry in entries) and +right == +self.counts
