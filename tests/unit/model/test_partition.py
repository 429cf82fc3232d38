"""Where partitions stand and who serves them."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.partition import (
    MAX_PARTITIONS,
    SLOTS,
    assign,
    hash_tag,
    partition_of_key,
    share,
    slot_of,
)

namespaces = st.from_regex(r"[a-z][a-z0-9-]{0,15}", fullmatch=True)
workers = st.lists(st.from_regex(r"[a-z]{1,8}-[0-9]", fullmatch=True), max_size=40)


@given(namespaces, st.integers(0, MAX_PARTITIONS - 1))
def test_a_tag_stands_at_its_place_on_the_ring(namespace: str, n: int) -> None:
    """The slot of partition n is within 16 above 4 times n's reversed bits, with the least s."""
    tag = hash_tag(namespace, n)
    head, s = tag.rsplit(":", 1)
    ideal = 4 * int(f"{n:012b}"[::-1], 2)
    assert head == f"{namespace}:{n}"
    assert ideal <= slot_of(tag) < ideal + 16
    assert not any(ideal <= slot_of(f"{head}:{i}") < ideal + 16 for i in range(int(s)))


@pytest.mark.parametrize("partitions", [8, 16, 64, 100])
@pytest.mark.parametrize("masters", [2, 3, 4, 5, 8])
def test_partitions_spread_evenly_over_masters(partitions: int, masters: int) -> None:
    """With the slots cut evenly, no master has more than three partitions more than another."""
    held = Counter(slot_of(hash_tag("shoal", n)) * masters // SLOTS for n in range(partitions))
    counts = [held[master] for master in range(masters)]
    assert max(counts) - min(counts) <= 3


@pytest.mark.parametrize(
    ("text", "slot"),
    # The first is the check value of the Redis Cluster specification, modulo its slots.
    [
        ("123456789", 0x31C3),
        ("foo", 12182),
        ("{foo}bar", 12182),
        ("a{}b", 13694),
        ("", 0),
    ],
)
def test_slots_are_those_of_redis(text: str, slot: int) -> None:
    """slot_of is CRC16 modulo 16384 of the hash tag, or of all when there is none."""
    assert slot_of(text) == slot


@pytest.mark.parametrize(
    ("namespace", "n"), [("a", -1), ("a", 4096), ("", 0), ("a{b", 0), ("a}", 0)]
)
def test_impossible_tags_are_refused(namespace: str, n: int) -> None:
    """A partition beyond 4095, an empty namespace and a brace in it raise ValueError."""
    with pytest.raises(ValueError, match=r"partition|namespace"):
        hash_tag(namespace, n)


@given(st.integers(0, 10**12), st.integers(1, MAX_PARTITIONS))
def test_shares_sum_exactly_and_differ_by_one(total: int, partitions: int) -> None:
    """The parts of a limit sum to the limit, and no part exceeds another by more than 1."""
    parts = [share(total, n, partitions) for n in range(partitions)]
    assert sum(parts) == total
    assert max(parts) - min(parts) <= 1


def test_a_share_of_a_partition_that_does_not_exist_is_refused() -> None:
    """Partition 8 of 8 raises ValueError, since they are counted from 0."""
    with pytest.raises(ValueError, match="not one of 8"):
        share(100, 8, 8)


@given(st.text(), st.integers(1, MAX_PARTITIONS))
def test_a_key_always_has_the_same_partition(key: str, key_partitions: int) -> None:
    """The same key gives the same partition, within the number there is."""
    n = partition_of_key(key, key_partitions)
    assert 0 <= n < key_partitions
    assert n == partition_of_key(key, key_partitions)


def test_the_partition_of_a_key_never_changes_between_releases() -> None:
    """These values are wire format: another answer would lose every key in use."""
    assert [partition_of_key(key, 8) for key in ("", "order-1", "order-2", "übung")] == [4, 4, 3, 0]
    assert partition_of_key("order-1", 4096) == 2444


def test_keys_spread_over_partitions() -> None:
    """Of 8,000 keys each of 8 partitions gets between 800 and 1,200."""
    held = Counter(partition_of_key(f"order-{i}", 8) for i in range(8000))
    assert all(800 < held[n] < 1200 for n in range(8))


@given(st.integers(1, 64), workers)
def test_every_partition_is_served_and_the_work_is_balanced(
    partitions: int, names: list[str]
) -> None:
    """Each worker gets the floor or the ceiling of P/W, and each partition has a worker."""
    slices = assign(partitions, names)
    distinct = sorted(set(names))
    assert sorted(slices) == distinct
    if not distinct:
        return
    assert {n for held in slices.values() for n in held} == set(range(partitions))
    assert all(held == sorted(held) for held in slices.values())
    if len(distinct) <= partitions:
        sizes = [len(held) for held in slices.values()]
        assert sum(sizes) == partitions
        assert max(sizes) - min(sizes) <= 1
    else:
        assert all(slices[name] == [i % partitions] for i, name in enumerate(distinct))


@given(st.integers(1, 64), workers, st.randoms())
def test_every_host_finds_the_same_assignment(
    partitions: int, names: list[str], rng: object
) -> None:
    """The order in which the live workers are listed does not matter, nor a repeated name."""
    shuffled = [*names, *names[:2]]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assign(partitions, names) == assign(partitions, shuffled)


def test_few_partitions_move_when_a_worker_joins() -> None:
    """Of 256 partitions less than half change hands as each of 8 workers joins."""
    fleets = [[f"web{i}-0" for i in range(size)] for size in range(2, 10)]
    for before, after in pairwise(fleets):
        old = {n: name for name, held in assign(256, before).items() for n in held}
        new = {n: name for name, held in assign(256, after).items() for n in held}
        assert sum(old[n] != new[n] for n in range(256)) < 128
