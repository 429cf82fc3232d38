"""The single rules of the history checker; each names the tasks that break it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from shoal.broker.verify_report import Code, Finding
from shoal.model.attempt import HistoryLine
from shoal.model.transitions import TRANSITIONS, State
from tests.support.ledger import Entry

PHANTOM_CODES = frozenset(
    {
        Code.ENTRY_WITHOUT_TASK,
        Code.TASK_WITHOUT_ENTRY,
        Code.PENDING_WITHOUT_ENTRY,
        Code.ENTRY_OF_IDLE_TASK,
        Code.SECOND_ENTRY,
        Code.INDEX_WRONG,
        Code.INDEX_MISSING,
        Code.UNIQUE_ORPHAN,
    }
)
"""Something names a task that should not, or nothing does that should."""

ENDS = ("completed", "dead", "cancelled")


@dataclass(frozen=True)
class Submitted:
    """One task that a client tried to submit, repeats of the same id included."""

    task_id: str
    #: ``ok``: accepted. ``failed``: refused, surely not stored. ``unknown``: no answer came.
    told: Literal["ok", "failed", "unknown"] = "ok"
    #: Not to start before this wall-clock time in ms; ``None``: at once.
    due_ms: int | None = None
    #: What it depends on; only such tasks as must be COMPLETED before it starts.
    parents: tuple[str, ...] = ()
    #: LOW is 0.
    priority: int = 1
    #: When the answer came, wall clock in ms; ``None``: not known, so its order is not judged.
    accepted_ms: int | None = None


def strongest_answers(submitted: Iterable[Submitted]) -> dict[str, Submitted]:
    """An id may be repeated until an answer comes: ``ok`` beats ``unknown`` beats ``failed``."""
    strength = {"failed": 0, "unknown": 1, "ok": 2}
    told: dict[str, Submitted] = {}
    for item in submitted:
        known = told.get(item.task_id)
        if known is None or strength[item.told] > strength[known.told]:
            told[item.task_id] = item
    return told


def early(told: Mapping[str, Submitted], entries: Iterable[Entry]) -> list[str]:
    """Started before their due time."""
    due = {task_id: item.due_ms for task_id, item in told.items() if item.due_ms is not None}
    starts = (entry for entry in entries if entry.event == "start" and entry.task_id in due)
    return sorted({start.task_id for start in starts if start.wall_ms < due[start.task_id]})


def duplicate_runs(entries: Iterable[Entry]) -> dict[str, int]:
    """Starts beyond the first of each attempt, by task."""
    starts = Counter(
        (entry.task_id, entry.extra.get("attempt", 1))
        for entry in entries
        if entry.event == "start"
    )
    duplicates: Counter[str] = Counter()
    for (task_id, _attempt), times in starts.items():
        if times > 1:
            duplicates[task_id] += times - 1
    return dict(duplicates)


def overlapping(entries: Iterable[Entry]) -> list[str]:
    """Two finished runs of one attempt overlap."""
    open_runs: dict[tuple[str, int, int], int] = {}
    runs: defaultdict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for entry in entries:
        attempt = entry.extra.get("attempt", 1)
        run = (entry.task_id, attempt, entry.pid)
        if entry.event == "start":
            open_runs[run] = entry.monotonic_ns
        elif entry.event == "finish" and run in open_runs:
            runs[entry.task_id, attempt].append((open_runs.pop(run), entry.monotonic_ns))
    overlapping = set()
    for (task_id, _attempt), spans in runs.items():
        spans.sort()
        if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
            overlapping.add(task_id)
    return sorted(overlapping)


def zombie_writes(histories: Mapping[str, Sequence[HistoryLine]]) -> list[str]:
    """A run was recorded under a token that had been taken back."""
    found = set()
    for task_id, lines in histories.items():
        taken_back: set[str] = set()
        for line in lines:
            if line.kind == "interrupted":
                taken_back.add(line.token)
            elif line.kind == "run" and line.token in taken_back:
                found.add(task_id)
    return sorted(found)


def double_ends(histories: Mapping[str, Sequence[HistoryLine]]) -> set[str]:
    """More than one run completed, which not even a requeue allows."""
    return {
        task_id
        for task_id, lines in histories.items()
        if sum(line.kind == "run" and line.outcome == "completed" for line in lines) > 1
    }


def illegal_reads(
    reads: Iterable[tuple[str, str]], histories: Mapping[str, Sequence[HistoryLine]]
) -> list[str]:
    """A later state can't be reached from an earlier one; or a history goes on after an end."""
    found = set()
    seen: dict[str, str] = {}
    for task_id, state in reads:
        before = seen.get(task_id, state)
        if state != before and State(state) not in _reachable(State(before)):
            found.add(task_id)
        seen[task_id] = state
    for task_id, lines in histories.items():
        for line, following in pairwise(lines):
            has_ended = line.kind == "run" and line.outcome in ENDS
            if has_ended and (following.kind != "requeued" or line.outcome == "completed"):
                found.add(task_id)
    return sorted(found)


def _reachable(origin: State) -> set[State]:
    reached: set[State] = set()
    fresh = {origin}
    while fresh:
        fresh = {target for state in fresh for target in TRANSITIONS[state]} - reached
        reached |= fresh
    return reached


def phantoms(findings: Iterable[Finding]) -> list[str]:
    """What `verify` says of tasks that stand where they should not, or nowhere."""
    return sorted(
        {name for finding in findings if finding.code in PHANTOM_CODES for name in finding.ids}
    )


def too_early_children(told: Mapping[str, Submitted], entries: Iterable[Entry]) -> list[str]:
    """Started before each of their parents had finished once."""
    finished: dict[str, int] = {}
    started: dict[str, int] = {}
    for entry in entries:
        times = finished if entry.event == "finish" else started
        if entry.event in ("start", "finish"):
            at = entry.monotonic_ns
            times[entry.task_id] = min(times.get(entry.task_id, at), at)
    return sorted(
        child
        for child, item in told.items()
        if child in started
        and any(finished.get(p, started[child] + 1) > started[child] for p in item.parents)
    )


def inversions(told: Mapping[str, Submitted], entries: Iterable[Entry], prefetch: int) -> list[str]:
    """Started while more than ``prefetch`` accepted tasks of a higher priority had not."""
    arrivals = [
        (item.accepted_ms, 0, task_id)
        for task_id, item in told.items()
        if item.accepted_ms is not None and item.due_ms is None and not item.parents
    ]
    known = {task_id for _, _, task_id in arrivals}
    starts = [
        (entry.wall_ms, 1, entry.task_id)
        for entry in entries
        if entry.event == "start" and entry.task_id in known
    ]
    waiting: Counter[int] = Counter()
    gone: set[str] = set()
    found = set()
    for _, is_start, task_id in sorted(arrivals + starts):
        priority = told[task_id].priority
        if not is_start:
            waiting[priority] += 1
        elif task_id not in gone:
            gone.add(task_id)
            waiting[priority] -= 1
            if sum(n for other, n in waiting.items() if other > priority) > prefetch:
                found.add(task_id)
    return sorted(found)
