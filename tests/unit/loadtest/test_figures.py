"""The arithmetic of the benchmark's report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.figures import (
    Figure,
    median_run,
    per_task_us,
    percentile,
    percentiles_ms,
    rate,
    ratio,
)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_value_that_enough_values_do_not_exceed(
    values: list[float], percent: float
) -> None:
    """A percentile is one of the values, and ``percent`` % of them are not above it."""
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-9


def test_percentiles_of_a_hundred_values_are_their_ranks() -> None:
    """Of 1 … 100 ms, P50 is 50, P95 is 95 and P99 is 99, whatever their order."""
    seconds = [number / 1000 for number in range(100, 0, -1)]
    assert percentiles_ms(seconds, "pickup_") == {
        "pickup_p50_ms": 50.0,
        "pickup_p95_ms": 95.0,
        "pickup_p99_ms": 99.0,
        "pickup_max_ms": 100.0,
    }


def test_no_values_give_no_percentiles() -> None:
    """Without values each percentile is absent, not zero."""
    assert percentiles_ms([]) == dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "max_ms"))


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_percentage_outside_its_range_is_refused(percent: float) -> None:
    """Percentages are from 0 to 100."""
    with pytest.raises(ValueError, match="from 0 to 100"):
        percentile([1.0], percent)


def test_rates_of_nothing_are_absent() -> None:
    """No time, no tasks and no yardstick give no figure instead of a division by zero."""
    assert rate(10, 0.0) is None
    assert per_task_us(1.0, 0) is None
    assert ratio(10.0, 0) is None
    assert ratio(None, 10.0) is None


def test_rates_and_shares() -> None:
    """Tasks per second, microseconds a task, and a share of a yardstick."""
    assert rate(100, 2.0) == 50.0
    assert per_task_us(0.5, 10_000) == 50.0
    assert ratio(75.0, 100.0) == 0.75


def test_a_median_run_takes_each_number_by_itself() -> None:
    """Three runs become one: medians of numbers, the samples of the rate, the text kept."""
    samples: list[dict[str, Figure]] = [
        {"name": "1x100", "tasks": 10, "tasks_per_s": 5.0, "redis_us_per_task": 30.0},
        {"name": "1x100", "tasks": 10, "tasks_per_s": 9.0, "redis_us_per_task": 10.0},
        {"name": "1x100", "tasks": 10, "tasks_per_s": 7.0, "redis_us_per_task": None},
    ]
    assert median_run(samples) == {
        "name": "1x100",
        "tasks": 10,
        "tasks_per_s": 7.0,
        "redis_us_per_task": 20.0,
        "tasks_per_s_samples": [5.0, 9.0, 7.0],
        "measured_runs": 3,
    }


def test_one_run_is_its_own_median() -> None:
    """A cell that was measured once keeps its figures and lists no samples."""
    assert median_run([{"name": "a", "tasks_per_s": 5.0}]) == {
        "name": "a",
        "tasks_per_s": 5.0,
        "measured_runs": 1,
    }
