"""Restart arithmetic: immediate, then slower, then the end; working shards are borne with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.supervisor.restart import Life, RestartBudget, RestartPolicy

USELESS = Life(was_ready=False, lived_s=0.1)
IDLE = Life(was_ready=True, lived_s=0.5)
WORKING = Life(was_ready=True, lived_s=2.0, processed=100)


def test_the_first_deaths_are_followed_at_once_and_later_ones_later() -> None:
    """Three restarts come at once, then the pause doubles up to its longest."""
    budget = RestartBudget(RestartPolicy(deaths_per_shard=100))
    pauses = [budget.died(0, USELESS, shards=1, now_s=float(i)) for i in range(12)]
    assert pauses == [0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_shards_that_cannot_live_end_the_supervisor() -> None:
    """The eleventh useless death of one shard within the window is one too many."""
    budget = RestartBudget()
    answers = [budget.died(0, USELESS, shards=1, now_s=float(i)) for i in range(11)]
    assert None not in answers[:10]
    assert answers[10] is None


def test_more_shards_may_die_more_often() -> None:
    """The limit is per shard: four shards may die forty times together."""
    budget = RestartBudget()
    answers = [budget.died(i % 4, IDLE, shards=4, now_s=i / 10) for i in range(41)]
    assert None not in answers[:40]
    assert answers[40] is None


def test_thirty_kills_of_a_working_shard_in_a_minute_are_borne_without_a_pause() -> None:
    """Deaths of productive lives count a quarter and never slow the restart."""
    budget = RestartBudget()
    answers = [budget.died(0, WORKING, shards=1, now_s=2.0 * i) for i in range(30)]
    assert answers == [0.0] * 30


def test_even_productive_lives_may_not_end_without_measure() -> None:
    """Forty-one productive deaths of one shard within the window are too many."""
    budget = RestartBudget()
    answers = [budget.died(0, WORKING, shards=1, now_s=i / 100) for i in range(41)]
    assert None not in answers[:40]
    assert answers[40] is None


def test_a_long_idle_life_is_productive() -> None:
    """A shard that was ready and lived long had nothing to do: its streak ends."""
    budget = RestartBudget()
    for i in range(5):
        budget.died(0, USELESS, shards=1, now_s=float(i))
    life = Life(was_ready=True, lived_s=10.0)
    assert budget.died(0, life, shards=1, now_s=20.0) == 0.0
    assert budget.died(0, USELESS, shards=1, now_s=21.0) == 0.0


def test_what_will_pass_never_ends_the_supervisor() -> None:
    """A start postponed again and again is tried at least once a second, and never given up."""
    budget = RestartBudget()
    pauses = [budget.postponed(0) for _ in range(1000)]
    assert pauses[:3] == [0.25, 0.5, 1.0]
    assert pauses[-1] == 1.0
    budget.settled(0)
    assert budget.postponed(0) == 0.25


@given(
    gaps=st.lists(st.floats(0, 30), min_size=1, max_size=200),
    lives=st.lists(st.sampled_from([USELESS, IDLE, WORKING]), min_size=200, max_size=200),
    shards=st.integers(1, 8),
)
def test_it_gives_up_exactly_when_the_window_is_full(
    gaps: list[float], lives: list[Life], shards: int
) -> None:
    """It gives up just when the weights in the window exceed the limit, and otherwise pauses."""
    policy = RestartPolicy()
    budget = RestartBudget(policy)
    now_s, deaths = 0.0, []
    for turn, gap in enumerate(gaps):
        now_s += gap
        life = lives[turn]
        deaths.append((now_s, 0.25 if life is WORKING else 1.0))
        answer = budget.died(turn % shards, life, shards=shards, now_s=now_s)
        weight = sum(w for at, w in deaths if at > now_s - policy.window_s)
        assert (answer is None) == (weight > policy.deaths_per_shard * shards)
        assert answer is None or 0.0 <= answer <= policy.max_backoff_s


@given(st.integers(0, 10_000))
def test_the_pause_never_shrinks_with_more_deaths(unproductive: int) -> None:
    """One more useless life never means a shorter pause."""
    policy = RestartPolicy()
    assert policy.backoff_s(unproductive) <= policy.backoff_s(unproductive + 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"initial_backoff_s": 0.0},
        {"initial_backoff_s": 5.0, "max_backoff_s": 1.0},
        {"window_s": 0.0},
        {"deaths_per_shard": 0.0},
    ],
)
def test_a_senseless_policy_is_refused(bad: dict[str, float]) -> None:
    """Pauses and window must be positive and in order."""
    with pytest.raises(ValueError, match="must be positive"):
        RestartPolicy(**bad)  # type: ignore[arg-type]
