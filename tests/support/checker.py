"""The history checker: what went in must come out, once, and not too early.

It sees three things from outside: what was submitted and what the submitter was told, what
handlers did (the ledger), and where tasks stand after everything has drained.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

from tests.support.ledger import Entry

TERMINAL = frozenset({"COMPLETED", "CANCELLED", "DEAD"})
WITHOUT_A_RUN = frozenset({"CANCELLED", "DEAD", "PURGED"})
"""States in which a task may be although no handler finished it."""


@dataclass(frozen=True)
class Submitted:
    """One task that a client tried to submit, repeats of the same id included."""

    task_id: str
    #: ``ok``: accepted. ``failed``: refused, surely not stored. ``unknown``: no answer came.
    told: Literal["ok", "failed", "unknown"] = "ok"
    #: Not to start before this wall-clock time in ms; ``None``: at once.
    due_ms: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What the checker found; each list holds task ids, sorted."""

    #: Accepted, yet no handler finished it and nothing says why.
    lost: list[str]
    #: Ran, but nobody submitted it or its submission was refused.
    unexpected: list[str]
    #: Its submission had no answer, and it ran. Allowed.
    recovered: list[str]
    #: Accepted, and not in a terminal state after the drain.
    unsettled: list[str]
    #: Two results were accepted for it.
    double_results: list[str]
    #: A handler started before its due time.
    early: list[str]
    #: Two runs of the same attempt that both finished overlap in time.
    overlapping: list[str]
    #: Starts beyond the first of each attempt, by task. At-least-once allows as many as
    #: faults took away.
    duplicate_runs: dict[str, int]

    @property
    def duplicate_run_count(self) -> int:
        """Runs that happened although their attempt had already started once."""
        return sum(self.duplicate_runs.values())

    def assert_sound(self, *, max_duplicate_runs: int = 0, allow_overlapping: bool = False) -> None:
        """Fail unless nothing was lost, doubled, invented or early.

        Args:
            max_duplicate_runs: How many the injected faults explain.
            allow_overlapping: A frozen worker was thawed: its handler ran beside the new one.
        """
        harmless = {"recovered", "duplicate_runs"} | (
            {"overlapping"} if allow_overlapping else set()
        )
        found = [
            f"{name.upper().replace('_', '-')} {len(ids)}: {', '.join(ids[:5])}"
            for name, ids in ((item.name, getattr(self, item.name)) for item in fields(self))
            if name not in harmless and ids
        ]
        if self.duplicate_run_count > max_duplicate_runs:
            worst = sorted(self.duplicate_runs.items(), key=lambda item: -item[1])[:5]
            found.append(
                f"DUPLICATE-RUN {self.duplicate_run_count} > {max_duplicate_runs}: {dict(worst)}"
            )
        if found:
            raise AssertionError("the history does not hold:\n  " + "\n  ".join(found))


def check(
    submitted: Iterable[Submitted],
    ledger: Iterable[Entry],
    *,
    final_states: Mapping[str, str] | None = None,
    accepted_results: Iterable[str] = (),
) -> Verdict:
    """Judge a history that has drained.

    Args:
        submitted: Every submission and its answer. A task told ``ok`` once is accepted.
        ledger: The handlers' ``start`` and ``finish`` lines; ``extra["attempt"]`` (default 1)
            tells a retry from a second run of the same attempt.
        final_states: Task id to state, ``PURGED`` included; ``None``: not read, so a task
            without a finished run is lost whatever became of it.
        accepted_results: A task id for every result that was recorded, one each time.
    """
    told = _strongest_answers(submitted)
    entries = list(ledger)
    started = {entry.task_id for entry in entries if entry.event == "start"}
    finished = {entry.task_id for entry in entries if entry.event == "finish"}
    ran = started | finished
    accepted = {task_id for task_id, item in told.items() if item.told == "ok"}
    states = final_states or {}
    return Verdict(
        lost=sorted(
            task_id for task_id in accepted - finished if states.get(task_id) not in WITHOUT_A_RUN
        ),
        unexpected=sorted(
            task_id for task_id in ran if task_id not in told or told[task_id].told == "failed"
        ),
        recovered=sorted(
            task_id for task_id in ran if task_id in told and told[task_id].told == "unknown"
        ),
        unsettled=sorted(
            task_id
            for task_id in (accepted if final_states is not None else ())
            if states.get(task_id) not in TERMINAL | {"PURGED"}
        ),
        double_results=sorted(
            task_id for task_id, times in Counter(accepted_results).items() if times > 1
        ),
        early=_early(told, entries),
        overlapping=_overlapping(entries),
        duplicate_runs=_duplicate_runs(entries),
    )


def _strongest_answers(submitted: Iterable[Submitted]) -> dict[str, Submitted]:
    """An id may be repeated until an answer comes: ``ok`` beats ``unknown`` beats ``failed``."""
    strength = {"failed": 0, "unknown": 1, "ok": 2}
    told: dict[str, Submitted] = {}
    for item in submitted:
        known = told.get(item.task_id)
        if known is None or strength[item.told] > strength[known.told]:
            told[item.task_id] = item
    return told


def _early(told: Mapping[str, Submitted], entries: Iterable[Entry]) -> list[str]:
    due = {task_id: item.due_ms for task_id, item in told.items() if item.due_ms is not None}
    starts = (entry for entry in entries if entry.event == "start" and entry.task_id in due)
    return sorted({start.task_id for start in starts if start.wall_ms < due[start.task_id]})


def _duplicate_runs(entries: Iterable[Entry]) -> dict[str, int]:
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


def _overlapping(entries: Iterable[Entry]) -> list[str]:
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
