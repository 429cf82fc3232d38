"""Whether and when a failed task runs again."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.retry import MAX_RETRIES_LIMIT, STRATEGIES, RetryPolicy

policies = st.builds(
    lambda strategy, initial, extra, factor, jitter, retries: RetryPolicy(
        max_retries=retries,
        strategy=strategy,
        initial_backoff=initial,
        max_backoff=initial + extra,
        backoff_factor=factor,
        jitter=jitter,
    ),
    st.sampled_from(STRATEGIES),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.floats(1, 100),
    st.booleans(),
    st.integers(0, MAX_RETRIES_LIMIT),
)


@given(policies, st.integers(1, 10_000), st.integers())
def test_a_backoff_never_exceeds_the_maximum(policy: RetryPolicy, retry: int, seed: int) -> None:
    """Every backoff is finite, at least 0 and at most max_backoff, however late the retry."""
    assert 0 <= policy.backoff_s(retry, Random(seed)) <= policy.max_backoff


@pytest.mark.parametrize(
    ("policy", "backoffs"),
    [
        (RetryPolicy(jitter=False), [1, 2, 4, 8, 16]),
        (RetryPolicy(jitter=False, max_backoff=5), [1, 2, 4, 5, 5]),
        (RetryPolicy(jitter=False, backoff_factor=1), [1, 1, 1, 1, 1]),
        (RetryPolicy(strategy="linear", initial_backoff=3, jitter=False), [3, 6, 9, 12, 15]),
        (RetryPolicy(strategy="fixed", initial_backoff=7, jitter=False), [7, 7, 7, 7, 7]),
        (RetryPolicy(initial_backoff=0, jitter=False), [0, 0, 0, 0, 0]),
    ],
)
def test_each_strategy_grows_as_it_says(policy: RetryPolicy, backoffs: list[float]) -> None:
    """Exponential multiplies, linear adds, fixed stays; the first retry waits initial_backoff."""
    assert [policy.backoff_s(retry, Random()) for retry in range(1, 6)] == backoffs


def test_full_jitter_draws_evenly_from_zero_up_to_the_backoff() -> None:
    """Ten thousand draws before the third retry (4 s) fill 0 to 4 s evenly."""
    rng = Random(3)
    draws = [RetryPolicy().backoff_s(3, rng) for _ in range(10_000)]
    assert 0 <= min(draws) < 0.01
    assert 3.99 < max(draws) <= 4
    assert sum(draws) / len(draws) == pytest.approx(2, abs=0.05)


@given(st.integers(0, MAX_RETRIES_LIMIT))
def test_a_task_runs_once_more_than_it_is_retried(max_retries: int) -> None:
    """With max_retries n the n-th failure is retried and failure n + 1 is the last."""
    policy = RetryPolicy(max_retries=max_retries)
    assert policy.allows(max_retries)
    assert not policy.allows(max_retries + 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_retries", -1),
        ("max_retries", 100),
        ("max_retries", 1.5),
        ("max_retries", True),
        ("strategy", "quadratic"),
        ("initial_backoff", -1),
        ("initial_backoff", "1"),
        ("max_backoff", math.nan),
        ("max_backoff", math.inf),
        ("max_backoff", 0.5),
        ("backoff_factor", 0.5),
        ("backoff_factor", True),
        ("jitter", 1),
    ],
)
def test_a_bad_value_is_refused_by_name(field: str, value: object) -> None:
    """A policy with a value out of range cannot be made, and the message names the field."""
    with pytest.raises(ValueError, match=field):
        RetryPolicy(**{field: value})  # type: ignore[arg-type]


def test_retries_are_counted_from_one() -> None:
    """There is no retry 0: asking for its backoff raises ValueError."""
    with pytest.raises(ValueError, match="from 1"):
        RetryPolicy().backoff_s(0, Random())
