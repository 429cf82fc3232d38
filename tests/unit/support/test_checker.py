"""The history checker finds what is planted, and nothing else."""

import dataclasses

import pytest

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
