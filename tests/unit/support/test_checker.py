"""The history checker finds what is planted, and nothing else."""

import dataclasses

import pytest

from shoal.broker.verify_report import Code, Finding
from shoal.model.attempt import HistoryLine
from tests.support.checker import Submitted, Verdict, check
from tests.support.ledger import Entry


def entry(event: str, task_id: str, at_ms: int, *, pid: int = 1, attempt: int = 1) -> Entry:
    """A ledger line whose two clocks agree."""
    return Entry(event, task_id, pid, at_ms, at_ms * 1_000_000, {"attempt": attempt})


def run(task_id: str, at_ms: int, *, pid: int = 1, attempt: int = 1) -> list[Entry]:
    """A run of 10 ms."""
    return [
        entry("start", task_id, at_ms, pid=pid, attempt=attempt),
        entry("finish", task_id, at_ms + 10, pid=pid, attempt=attempt),
    ]


def findings(verdict: Verdict) -> dict[str, object]:
    """What the verdict is not empty in."""
    return {name: found for name, found in dataclasses.asdict(verdict).items() if found}


def test_a_clean_history_holds() -> None:
    """Tasks that ran once, after their due time, with one result, give nothing to report."""
    verdict = check(
        [Submitted("a"), Submitted("b", due_ms=100)],
        [*run("a", 5), *run("b", 100)],
        final_states={"a": "COMPLETED", "b": "COMPLETED"},
        accepted_results=["a", "b"],
    )
    assert findings(verdict) == {}
    verdict.assert_sound()


def test_a_planted_loss_is_found() -> None:
    """An accepted task that no handler finished is lost, also when it started."""
    verdict = check([Submitted("a"), Submitted("b")], [entry("start", "b", 1)])
    assert findings(verdict) == {"lost": ["a", "b"]}
    with pytest.raises(AssertionError, match="LOST 2: a, b"):
        verdict.assert_sound()


@pytest.mark.parametrize("state", ["CANCELLED", "DEAD", "PURGED"])
def test_an_ended_task_is_not_lost(state: str) -> None:
    """A task that was cancelled, died or was purged need not have run."""
    assert findings(check([Submitted("a")], [], final_states={"a": state})) == {}


def test_a_completed_task_without_a_run_is_lost() -> None:
    """COMPLETED alone proves nothing: a handler must have finished."""
    verdict = check([Submitted("a")], [], final_states={"a": "COMPLETED"})
    assert findings(verdict) == {"lost": ["a"]}


def test_a_vanished_task_is_unsettled() -> None:
    """A task that ran but has no state, or no terminal one, after the drain is reported."""
    verdict = check(
        [Submitted("a"), Submitted("b")],
        [*run("a", 1), *run("b", 1)],
        final_states={"b": "RUNNING"},
    )
    assert findings(verdict) == {"unsettled": ["a", "b"]}


def test_a_planted_double_result_is_found() -> None:
    """Two accepted results for one task are reported."""
    verdict = check([Submitted("a")], run("a", 1), accepted_results=["a", "a"])
    assert findings(verdict) == {"double_results": ["a"]}
    with pytest.raises(AssertionError, match="DOUBLE-RESULTS 1: a"):
        verdict.assert_sound()


def test_a_planted_early_start_is_found() -> None:
    """A start one millisecond before its due time is early, one at it is not."""
    submitted = [Submitted("a", due_ms=100), Submitted("b", due_ms=100)]
    verdict = check(submitted, [*run("a", 99), *run("b", 100)])
    assert findings(verdict) == {"early": ["a"]}


def test_a_planted_stranger_is_found() -> None:
    """A task that ran without being submitted, or although it was refused, is unexpected."""
    verdict = check([Submitted("a", "failed")], [*run("a", 1), *run("x", 1)])
    assert findings(verdict) == {"unexpected": ["a", "x"]}


def test_an_unknown_submission_may_run_or_not() -> None:
    """A submission without an answer that ran is reported and allowed; one that did not is fine."""
    verdict = check([Submitted("a", "unknown"), Submitted("b", "unknown")], run("a", 1))
    assert findings(verdict) == {"recovered": ["a"]}
    verdict.assert_sound()


def test_the_strongest_answer_to_repeats_counts() -> None:
    """An id submitted again after no answer, and accepted then, is accepted."""
    submitted = [Submitted("a", "unknown"), Submitted("a", "ok"), Submitted("a", "failed")]
    assert findings(check(submitted, [])) == {"lost": ["a"]}


def test_planted_duplicate_runs_are_counted() -> None:
    """Starts beyond the first of an attempt count; a retry is a new attempt and does not."""
    ledger = [entry("start", "a", 1), *run("a", 20, pid=2), *run("a", 50, pid=3, attempt=2)]
    verdict = check([Submitted("a")], ledger)
    assert findings(verdict) == {"duplicate_runs": {"a": 1}}
    verdict.assert_sound(max_duplicate_runs=1)
    with pytest.raises(AssertionError, match="DUPLICATE-RUN 1 > 0"):
        verdict.assert_sound()


def test_planted_overlapping_runs_are_found() -> None:
    """Two processes that run one attempt at the same time are reported; one after the other not."""
    interleaved = sorted(
        [*run("a", 1), *run("a", 6, pid=2), *run("b", 1), *run("b", 11, pid=2)],
        key=lambda line: line.wall_ms,
    )
    verdict = check([Submitted("a"), Submitted("b")], interleaved)
    assert verdict.overlapping == ["a"]
    with pytest.raises(AssertionError, match="OVERLAPPING 1: a"):
        verdict.assert_sound(max_duplicate_runs=2)
    verdict.assert_sound(max_duplicate_runs=2, allow_overlapping=True)


def line(kind: str, token: str, outcome: str) -> HistoryLine:
    """One line of a history."""
    return HistoryLine(kind, token, "w-0.aaaaaa", 1, 1, outcome, "")


CLEAN = [
    line("interrupted", "t1", "killed"),
    line("run", "t2", "failed"),
    line("run", "t3", "dead"),
    line("requeued", "operation", ""),
    line("run", "t4", "completed"),
]


def test_a_clean_history_of_many_attempts_holds() -> None:
    """Interruptions, a retry, an end and a requeue are no fault."""
    reads = [("a", state) for state in ("SCHEDULED", "RUNNING", "RUNNING", "DEAD", "COMPLETED")]
    verdict = check([Submitted("a")], run("a", 1), histories={"a": CLEAN}, reads=reads)
    assert findings(verdict) == {}


def test_a_planted_result_of_a_zombie_is_found() -> None:
    """A result under a token that had been taken back is reported."""
    lines = [line("interrupted", "t1", "lost"), line("run", "t1", "completed")]
    verdict = check([Submitted("a")], run("a", 1), histories={"a": lines})
    assert findings(verdict) == {"zombie_writes": ["a"]}
    with pytest.raises(AssertionError, match="ZOMBIE-WRITES 1: a"):
        verdict.assert_sound()


def test_a_planted_second_result_in_a_history_is_found() -> None:
    """Two completed runs are a double result, and the second came after the end."""
    lines = [line("run", "t1", "completed"), line("run", "t2", "completed")]
    verdict = check([Submitted("a")], run("a", 1), histories={"a": lines})
    assert findings(verdict) == {"double_results": ["a"], "illegal_transitions": ["a"]}


@pytest.mark.parametrize(
    "states",
    [("COMPLETED", "RUNNING"), ("COMPLETED", "DEAD"), ("PENDING", "FAILED", "COMPLETED", "FAILED")],
)
def test_a_planted_illegal_transition_is_found(states: tuple[str, ...]) -> None:
    """No reader may see a state that does not follow from what it saw before."""
    reads = [("b", "PENDING"), *(("a", state) for state in states), ("b", "COMPLETED")]
    verdict = check([Submitted("a"), Submitted("b")], [*run("a", 1), *run("b", 1)], reads=reads)
    assert findings(verdict) == {"illegal_transitions": ["a"]}
    with pytest.raises(AssertionError, match="ILLEGAL-TRANSITIONS 1: a"):
        verdict.assert_sound()


def test_a_planted_run_after_an_end_is_found() -> None:
    """What is DEAD runs again only when it was requeued."""
    lines = [line("run", "t1", "dead"), line("run", "t2", "completed")]
    verdict = check([Submitted("a")], run("a", 1), histories={"a": lines})
    assert findings(verdict) == {"illegal_transitions": ["a"]}


def test_a_planted_phantom_is_found() -> None:
    """What stands in an index without a hash is a phantom; a counter that is off is not."""
    verdict = check(
        [Submitted("a")],
        run("a", 1),
        findings=[
            Finding(Code.INDEX_WRONG, 0, "index:DEAD", "there is no such task", ("x",)),
            Finding(Code.COUNTS_DIFFER, 0, "counts", "DEAD is 2", ("DEAD",)),
        ],
    )
    assert findings(verdict) == {"phantoms": ["x"]}
    with pytest.raises(AssertionError, match="PHANTOMS 1: x"):
        verdict.assert_sound()


def test_a_planted_early_child_is_found() -> None:
    """A child that starts before its parent has finished is reported, one that waits is not."""
    submitted = [
        Submitted("a"),
        Submitted("early", parents=("a",)),
        Submitted("late", parents=("a",)),
        Submitted("orphan", parents=("gone",)),
    ]
    ledger = [*run("a", 1), *run("early", 10), *run("late", 11), *run("orphan", 5)]
    verdict = check(submitted, ledger)
    assert findings(verdict) == {"before_parents": ["early", "orphan"]}
    with pytest.raises(AssertionError, match="BEFORE-PARENTS 2: early, orphan"):
        verdict.assert_sound()


def test_a_planted_inversion_is_reported() -> None:
    """LOW that starts while more HIGH wait than are taken in advance is reported, and allowed."""
    submitted = [
        Submitted("low", priority=0, accepted_ms=1),
        Submitted("high", priority=2, accepted_ms=2),
        Submitted("high too", priority=2, accepted_ms=2),
    ]
    ledger = [*run("low", 5), *run("high", 6), *run("high too", 7)]
    assert findings(check(submitted, ledger, prefetch=2)) == {}
    verdict = check(submitted, ledger, prefetch=1)
    assert findings(verdict) == {"inversions": ["low"]}
    verdict.assert_sound()
