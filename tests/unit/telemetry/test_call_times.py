"""What calls to Redis took, and what handlers submitted: gathered, and handed over whole."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from shoal.broker.results import Submission, SubmitStatus, Submitted
from shoal.telemetry import metrics
from shoal.telemetry.call_times import CallTimes
from shoal.telemetry.meter import SubmitMeter, TaskMeter


def _sample(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_calls_are_handed_over_once_by_verb_and_bucket() -> None:
    """A call of just the budget of 5 ms counts as within it; nothing is handed over twice."""
    registry = CollectorRegistry()
    times = CallTimes(metrics.redis_calls_histogram(registry))
    name = "shoal_redis_call_seconds"
    for seconds in (0.005, 0.0051, 7.0):
        times.answered("claim", seconds)
    assert _sample(registry, f"{name}_count", verb="claim") is None
    times.flush()
    times.flush()
    assert _sample(registry, f"{name}_bucket", verb="claim", le="0.005") == 1
    assert _sample(registry, f"{name}_bucket", verb="claim", le="0.01") == 2
    assert _sample(registry, f"{name}_count", verb="claim") == 3
    assert _sample(registry, f"{name}_sum", verb="claim") == pytest.approx(7.0101)


def test_only_new_tasks_of_handlers_count_as_submitted() -> None:
    """What exists already or was refused is not submitted; type and priority are told."""
    registry = CollectorRegistry()
    own = metrics.Metrics(registry, max_types=1)
    tasks = [
        Submission(str(n), kind, "default", priority, b"")
        for n, (kind, priority) in enumerate([("a", 1), ("a", 1), ("a", 3), ("b", 0)])
    ]
    words: list[SubmitStatus] = ["new", "exists", "new", "new"]
    answers = [Submitted(task.id, word) for task, word in zip(tasks, words, strict=True)]
    SubmitMeter(own).stored(tasks, answers)
    name = "shoal_tasks_submitted_total"
    assert _sample(registry, name, type="a", priority="NORMAL") == 1
    assert _sample(registry, name, type="a", priority="CRITICAL") == 1
    assert _sample(registry, name, type="other", priority="LOW") == 1


def test_known_types_are_shown_at_zero() -> None:
    """Before the first task of a type its counters are there, so that the first is an increase."""
    registry = CollectorRegistry()
    own = metrics.Metrics(registry, max_types=10)
    TaskMeter(own).expect([b"mail"])
    for status in ("COMPLETED", "FAILED", "DEAD", "CANCELLED"):
        got = _sample(registry, "shoal_tasks_completed_total", type="mail", status=status)
        assert got == 0
    assert _sample(registry, "shoal_task_retries_total", type="mail") == 0
    assert _sample(registry, "shoal_task_duration_seconds_count", type="mail") == 0
