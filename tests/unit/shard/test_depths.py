"""Which partition is asked next."""

from hypothesis import given
from hypothesis import strategies as st

from shoal.shard.depths import (
    BELIEVED_AT_MOST_S,
    URGENT_RANK,
    any_rank,
    believed_s,
    choose,
    divide,
    oldest,
    rank,
)

RANKS = st.lists(st.integers(-1, 3), min_size=1, max_size=12)


@st.composite
def _situations(draw: st.DrawFn) -> tuple[list[int], set[int], int, bool, set[int]]:
    ranks = draw(RANKS)
    partitions = st.integers(0, len(ranks) - 1)
    own = draw(st.sets(partitions))
    busy = draw(st.sets(partitions))
    return ranks, own, draw(st.integers(-1, len(ranks))), draw(st.booleans()), busy


@given(st.tuples(*[st.integers(0, 5)] * 4))
def test_the_rank_is_the_highest_priority_with_something_in_it(
    depths: tuple[int, int, int, int],
) -> None:
    """Rank p means that p has something and nothing above it has."""
    found = rank(depths)
    assert found == max((p for p in range(4) if depths[p]), default=-1)


@given(_situations())
def test_a_free_partition_with_work_is_chosen_whenever_there_is_one(
    situation: tuple[list[int], set[int], int, bool, set[int]],
) -> None:
    """The choice is free and has work; there is none only if no free partition has any."""
    ranks, own, current, may_stay, busy = situation
    chosen = choose(ranks, own, current, may_stay=may_stay, is_free=lambda p: p not in busy)
    candidates = [p for p, r in enumerate(ranks) if r >= 0 and p not in busy]
    assert (chosen in candidates) if candidates else chosen is None


@given(_situations())
def test_no_higher_priority_waits_in_the_own_slice_and_no_urgent_one_anywhere(
    situation: tuple[list[int], set[int], int, bool, set[int]],
) -> None:
    """Nothing of the slice ranks above the choice, and nothing urgent of another's slice does."""
    ranks, own, current, may_stay, busy = situation
    chosen = choose(ranks, own, current, may_stay=may_stay, is_free=lambda p: p not in busy)
    if chosen is None:
        return
    free = [p for p in range(len(ranks)) if p not in busy and p != chosen]
    assert all(ranks[p] <= ranks[chosen] for p in free if p in own)
    assert all(ranks[p] <= ranks[chosen] for p in free if ranks[p] >= URGENT_RANK)


@given(_situations())
def test_the_own_slice_is_left_only_for_urgent_work_or_when_it_is_empty(
    situation: tuple[list[int], set[int], int, bool, set[int]],
) -> None:
    """A foreign partition is chosen only above all of the slice and urgent, or with the slice empty."""
    ranks, own, current, may_stay, busy = situation
    chosen = choose(ranks, own, current, may_stay=may_stay, is_free=lambda p: p not in busy)
    best_own = max((ranks[p] for p in own if p not in busy), default=-1)
    if chosen is not None and chosen not in own and best_own >= 0:
        assert ranks[chosen] > best_own
        assert ranks[chosen] >= URGENT_RANK


@given(st.integers(1, 12), st.integers(0, 3))
def test_equals_are_asked_in_turn(count: int, its_rank: int) -> None:
    """Among partitions with equal work, as many choices as partitions visit each once."""
    ranks, current, seen = [its_rank] * count, -1, []
    for _ in range(count):
        found = choose(ranks, range(count), current, may_stay=False, is_free=lambda _: True)
        assert found is not None
        seen.append(current := found)
    assert sorted(seen) == list(range(count))


def test_a_stay_goes_on_among_equals_and_ends_for_what_is_higher() -> None:
    """A shard that may stay stays, unless another partition has a higher priority."""
    assert choose([1, 1, 1], {0, 1, 2}, 1, may_stay=True, is_free=lambda _: True) == 1
    assert choose([1, 1, 3], {0, 1, 2}, 1, may_stay=True, is_free=lambda _: True) == 2


@given(RANKS, st.data())
def test_the_oldest_is_the_one_not_known_or_else_the_longest_waiting(
    ranks: list[int], data: st.DataObject
) -> None:
    """Of the partitions with work: one whose oldest task is not known, else the smallest time."""
    times = data.draw(st.lists(st.integers(0, 9), min_size=len(ranks), max_size=len(ranks)))
    found = oldest(ranks, times, lambda _: True)
    waiting = [p for p, r in enumerate(ranks) if r >= 0]
    if not waiting:
        assert found is None
    else:
        assert found in waiting
        assert times[found] == min(times[p] for p in waiting)


@given(st.integers(0, 1000), st.integers(1, 64), st.integers(0, 200))
def test_slots_are_divided_evenly_and_none_is_lost(slots: int, partitions: int, first: int) -> None:
    """The parts sum to the whole and differ by one at most."""
    parts = divide(slots, partitions, first)
    assert sum(parts) == slots
    assert max(parts) - min(parts) <= 1


def test_the_left_over_slot_goes_round() -> None:
    """One slot among three partitions goes to each of them in turn."""
    assert [divide(1, 3, turn) for turn in range(3)] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_more_shards_believe_longer_up_to_a_bound() -> None:
    """50 ms alone, in proportion from 8 shards on, never over the bound."""
    assert believed_s(1) == believed_s(8) == 0.05
    assert believed_s(16) == 0.1
    assert believed_s(1000) == BELIEVED_AT_MOST_S


def test_with_shares_every_partition_that_has_work_is_alike() -> None:
    """Where priorities have shares, none of them makes one partition go before another."""
    assert [any_rank(d) for d in ((0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 0, 5))] == [-1, 0, 0]
