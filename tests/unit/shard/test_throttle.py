"""What a throttle decides, for any measurements."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shoal.config import Settings
from shoal.shard.throttle import (
    CPU,
    LATENCY,
    MAX_SHUT_S,
    MEMORY,
    SLOW_PROBES,
    Limits,
    Sample,
    Throttled,
    decide,
)

LIMITS = Limits(concurrency=10, latency_s=0.1, memory=(1000.0, 2000.0), cpu=0.8)
FAST = Sample(0.0, 0.01)

samples = st.builds(
    Sample,
    at_s=st.floats(0.1, 5),
    latency_s=st.floats(0, 10),
    memory=st.integers(0, 10_000),
    cpu=st.floats(0, 1),
)
limits = st.builds(
    Limits,
    concurrency=st.integers(1, 1000),
    latency_s=st.floats(0.001, 5),
    memory=st.none() | st.just((1000.0, 2000.0)),
    cpu=st.none() | st.floats(0.1, 0.99),
)


def run(limits: Limits, *given_samples: Sample) -> list[Throttled]:
    """What follows from each."""
    states = [Throttled()]
    for sample in given_samples:
        states.append(decide(limits, states[-1], sample))
    return states[1:]


def slow(at_s: float) -> Sample:
    """Redis is slow, at this moment."""
    return Sample(at_s, 0.2)


class TestAnything:
    """Whatever is measured."""

    @given(limits, st.lists(samples, max_size=60))
    def test_no_shard_gets_more_than_it_has_or_stays_shut(
        self, limits: Limits, steps: list[Sample]
    ) -> None:
        """0 to its concurrency; 0 for latency only, and for ``MAX_SHUT_S`` at most."""
        state, now_s, shut_since = Throttled(), 0.0, None
        for step in steps:
            now_s += step.at_s
            state = decide(limits, state, replace(step, at_s=now_s))
            tasks = state.tasks(limits.concurrency)
            assert 0 <= tasks <= limits.concurrency
            if tasks > 0:
                shut_since = None
                continue
            assert dict(state.left)[LATENCY] == 0
            shut_since = now_s if shut_since is None else shut_since
            assert now_s - shut_since < MAX_SHUT_S

    @given(limits, st.lists(samples, max_size=20))
    def test_one_good_sample_opens_everything(self, limits: Limits, steps: list[Sample]) -> None:
        """No throttle outlives its reason."""
        state = run(limits, *steps, replace(FAST, latency_s=0.0))[-1]
        assert state == Throttled()

    @given(limits, samples, st.integers(0, 10_000))
    def test_more_used_never_leaves_more(self, limits: Limits, sample: Sample, more: int) -> None:
        """Memory makes a shard smaller the more there is of it."""
        larger = replace(sample, memory=sample.memory + more)
        few = run(limits, larger)[0].tasks(limits.concurrency)
        assert few <= run(limits, sample)[0].tasks(limits.concurrency)


def test_slow_answers_in_a_row_shut_and_a_fast_one_opens() -> None:
    """Two are chance, three are not; a fast one between them begins anew."""
    states = run(LIMITS, slow(1), slow(2), FAST, slow(4), slow(5), slow(6), slow(7), FAST)
    assert [state.tasks(10) for state in states] == [10, 10, 10, 10, 10, 0, 0, 10]
    assert states[5].why == (LATENCY,)
    assert SLOW_PROBES == 3


def test_one_that_has_been_shut_for_long_tries_with_one() -> None:
    """And is whole again when Redis is."""
    begun = run(LIMITS, slow(1), slow(2), slow(3))[-1]
    later = decide(LIMITS, begun, slow(3 + MAX_SHUT_S))
    assert later.tasks(10) == 1
    assert decide(LIMITS, later, slow(5 + MAX_SHUT_S)).tasks(10) == 1
    assert decide(LIMITS, later, FAST).tasks(10) == 10


def test_memory_and_cpu_leave_less_the_nearer_their_end_is() -> None:
    """All up to the soft limit, one at the hard one."""
    uses = (0, 1000, 1001, 1500, 1999, 2000, 5000)
    left = [run(LIMITS, replace(FAST, memory=use))[0].tasks(10) for use in uses]
    assert left == [10, 10, 9, 5, 1, 1, 1]
    shares = (0.0, 0.8, 0.85, 0.9, 1.0)
    left = [run(LIMITS, replace(FAST, cpu=share))[0].tasks(10) for share in shares]
    assert left == [10, 10, 7, 5, 1]


def test_the_strictest_counts_and_all_are_named() -> None:
    """Memory leaves 5, CPU time 1."""
    (state,) = run(LIMITS, Sample(1.0, 0.0, 1500, 1.0))
    assert state.why == (MEMORY, CPU)
    assert state.tasks(10) == 1


def test_limits_as_set() -> None:
    """Memory and CPU time hold nothing back unless they are set; the end of memory is the hard limit."""
    assert Limits.of(Settings().worker) == Limits(10, 0.5)
    mib = 1024**2
    soft = Settings().replace(worker__throttle_memory="100MiB", worker__throttle_cpu=0.9)
    assert Limits.of(soft.worker) == Limits(10, 0.5, (100 * mib, 125 * mib), 0.9)
    both = soft.replace(worker__max_memory_per_shard="200MiB")
    assert Limits.of(both.worker).memory == (100 * mib, 200 * mib)
