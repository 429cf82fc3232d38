"""The history checker: what went in must come out, once, and not too early.

It sees from outside: what was submitted and what the submitter was told, what handlers did (the
ledger), what readers saw meanwhile, and after everything has drained where tasks stand, their
histories, and what `verify` found. What is not given is not judged.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from shoal.broker.verify_report import Finding
from shoal.model.attempt import HistoryLine
from tests.support.checker_rules import (
    Submitted,
    double_ends,
    duplicate_runs,
    early,
    illegal_reads,
    inversions,
    overlapping,
    phantoms,
    strongest_answers,
    too_early_children,
    zombie_writes,
)
from tests.support.ledger import Entry

__all__ = ["Submitted", "Verdict", "check"]

TERMINAL = frozenset({"COMPLETED", "CANCELLED", "DEAD"})
WITHOUT_A_RUN = frozenset({"CANCELLED", "DEAD", "PURGED"})
"""States in which a task may be although no handler finished it."""


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
    #: A result was accepted from a claim that had been taken back.
    zombie_writes: list[str] = field(default_factory=list)
    #: It moved along an edge that the table of states does not have.
    illegal_transitions: list[str] = field(default_factory=list)
    #: Something names it that should not, or nothing does that should.
    phantoms: list[str] = field(default_factory=list)
    #: It started before a task it depends on had finished.
    before_parents: list[str] = field(default_factory=list)
    #: It started while more tasks of a higher priority waited than workers may hold. Reported.
    inversions: list[str] = field(default_factory=list)

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
        harmless = {"recovered", "duplicate_runs", "inversions"} | (
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
    histories: Mapping[str, Sequence[HistoryLine]] | None = None,
    reads: Iterable[tuple[str, str]] = (),
    findings: Iterable[Finding] = (),
    prefetch: int = 0,
) -> Verdict:
    """Judge a history that has drained.

    Args:
        submitted: Every submission and its answer. A task told ``ok`` once is accepted.
        ledger: The handlers' ``start`` and ``finish`` lines; ``extra["attempt"]`` (default 1)
            tells a retry from a second run of the same attempt.
        final_states: Task id to state, ``PURGED`` included; ``None``: not read, so a task
            without a finished run is lost whatever became of it.
        accepted_results: A task id for every result that was recorded, one each time.
        histories: Of every task, as recorded.
        reads: Task ids and states in the order in which one reader saw them.
        findings: Of `verify`, after the drain.
        prefetch: How many tasks workers may have taken that have not started.
    """
    told = strongest_answers(submitted)
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
            {task_id for task_id, times in Counter(accepted_results).items() if times > 1}
            | double_ends(histories or {})
        ),
        early=early(told, entries),
        overlapping=overlapping(entries),
        duplicate_runs=duplicate_runs(entries),
        zombie_writes=zombie_writes(histories or {}),
        illegal_transitions=illegal_reads(reads, histories or {}),
        phantoms=phantoms(findings),
        before_parents=too_early_children(told, entries),
        inversions=inversions(told, entries, prefetch),
    )
