"""How many workers there should be: enough, within bounds, and without going up and down."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.autoscale import Load, advise

RATES = st.floats(0, 1e5)
LOADS = st.builds(
    Load,
    workers=st.integers(0, 500),
    slots=st.floats(1, 1000),
    backlog=st.integers(0, 10**7),
    arrival_rate=RATES,
    settle_rate=RATES,
    utilisation=st.floats(0, 1),
)
#: Two workers of ten slots, half busy with runs of 0.1 s.
LOAD = Load(workers=2, slots=10, backlog=0, arrival_rate=100, settle_rate=100, utilisation=0.5)


@given(LOADS, st.integers(0, 50), st.integers(50, 500), st.floats(1, 3600))
def test_the_advice_is_always_within_its_bounds(
    load: Load, least: int, most: int, drain_s: float
) -> None:
    """Whatever is measured, it is a whole number from the least to the most, with a reason."""
    advice = advise(load, least=least, most=most, target_drain_s=drain_s)
    assert least <= advice.desired_workers <= most
    assert advice.reason


@given(LOADS, st.integers(0, 10**6))
def test_more_that_waits_never_means_fewer_workers(load: Load, more: int) -> None:
    """The advice rises with the backlog."""
    if load.workers == 0 or load.mean_run == 0:
        return
    deeper = dataclasses.replace(load, backlog=load.backlog + more)
    first, second = (
        advise(one, least=0, most=10**15, target_drain_s=60).desired_workers
        for one in (load, deeper)
    )
    assert second >= first


@given(LOADS)
def test_what_was_advised_is_advised_again(load: Load) -> None:
    """Once there are as many as advised, under the same load that is enough: it does not go up and down."""
    if load.workers == 0 or load.mean_run == 0:
        return
    advice = advise(load, least=1, most=10**15, target_drain_s=60)
    workers = advice.desired_workers
    # The same busy slots, among another number of workers.
    share = load.utilisation * load.workers / workers
    then = dataclasses.replace(load, workers=workers, utilisation=share)
    again = advise(then, least=1, most=10**15, target_drain_s=60).desired_workers
    assert math.isclose(again, workers, rel_tol=1e-9, abs_tol=1)


@pytest.mark.parametrize(
    ("changes", "desired"),
    [
        ({}, 2),
        ({"arrival_rate": 300.0}, 3),
        ({"backlog": 60_000}, 11),
        ({"workers": 4, "utilisation": 0.25}, 2),
        ({"workers": 2, "arrival_rate": 90.0}, 2),
        ({"workers": 0, "settle_rate": 0.0, "backlog": 5}, 1),
        ({"workers": 0, "settle_rate": 0.0, "arrival_rate": 0.0}, 0),
        ({"workers": 3, "settle_rate": 0.0, "utilisation": 1.0, "backlog": 9}, 4),
        ({"settle_rate": 0.0, "arrival_rate": 0.0, "utilisation": 0.0}, 0),
    ],
)
def test_the_formula(changes: dict[str, float], desired: int) -> None:
    """Slots for what comes in, and for the backlog within a minute."""
    load = dataclasses.replace(LOAD, **changes)  # type: ignore[arg-type]
    assert advise(load, least=0, most=100, target_drain_s=60).desired_workers == desired


def test_when_the_backlog_is_gone() -> None:
    """By what is run beyond what comes in; never, when that is nothing."""
    assert LOAD.drain_s == 0
    assert dataclasses.replace(LOAD, backlog=10).drain_s is None
    assert dataclasses.replace(LOAD, backlog=10, arrival_rate=95).drain_s == 2
