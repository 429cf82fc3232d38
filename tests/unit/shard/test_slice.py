"""What one worker has of the partitions."""

from hypothesis import given
from hypothesis import strategies as st

from shoal.shard.slice import TOUCH_ALL, share_of

NAMES = st.lists(st.integers(0, 300).map(lambda n: f"w-{n}"), max_size=40)


@given(NAMES, st.integers(1, 64), st.integers(0, 300).map(lambda n: f"w-{n}"))
def test_every_partition_is_somebodys_and_everybody_has_one(
    live: list[str], partitions: int, me: str
) -> None:
    """Each live worker owns something, all of it together is everything, and what it owns it touches."""
    everybody = {*live, me}
    shares = {name: share_of(name, [*live, me], partitions) for name in everybody}
    assert set().union(*(share.own for share in shares.values())) == set(range(partitions))
    for share in shares.values():
        assert share.own
        assert share.own <= set(share.touched)


@given(NAMES, st.integers(1, TOUCH_ALL))
def test_a_few_partitions_are_touched_by_all(live: list[str], partitions: int) -> None:
    """Up to 16 partitions every shard keeps in touch with every one."""
    assert share_of("w-1", live, partitions).touched == tuple(range(partitions))


@given(NAMES.filter(lambda names: len(set(names)) > 1))
def test_many_partitions_are_touched_by_their_owner_and_one_more(live: list[str]) -> None:
    """Beyond 16 each partition is touched by its owner and the worker before it in order."""
    partitions = 64
    names = sorted(set(live))
    shares = [share_of(name, names, partitions) for name in names]
    for k, share in enumerate(shares):
        assert set(share.touched) == share.own | shares[(k + 1) % len(names)].own


def test_a_worker_that_the_registry_does_not_name_yet_counts_itself() -> None:
    """Before its first heartbeat is seen it has a share already."""
    assert share_of("w-1", [], 8).own == frozenset(range(8))
    assert share_of("w-1", ["w-0"], 8).own
