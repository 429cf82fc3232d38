"""Listings, cursors, rates, ids of batches, what is in progress."""

import contextlib

import pytest

from shoal.api.idempotency import nth_id, spread
from shoal.api.limits import MAX_IN_PROGRESS, Occupancy, _is_json
from shoal.api.listing import Listing
from shoal.api.problems import Problem
from shoal.api.throughput import Throughput
from shoal.model.identity import parse_task_id, partition_of, task_id
from shoal.model.transitions import State


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"state": "DONE"}, "PENDING"),
        ({"state": ""}, "PENDING"),
        ({"type": "a b"}, "task type"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "1e2"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"offset": "1001"}, "offset"),
        ({"offset": "9" * 5000}, "offset"),
        ({"cursor": "nonsense"}, "next_cursor"),
        ({"cursor": "é"}, "next_cursor"),
        ({"cursor": "MS5DT01QTEVURUQuMC4xLTAvMQ==", "offset": "1"}, "not both"),
        ({"include": "payload,secrets"}, "secrets"),
        ({"page": "2"}, "page"),
    ],
)
def test_wrong_parameters_are_named(query: dict[str, str], word: str) -> None:
    """As 400, with what to write instead."""
    with pytest.raises(Problem) as caught:
        Listing.parse(query)
    assert caught.value.kind.status == 400
    assert word in caught.value.detail


def test_a_listing_has_defaults() -> None:
    """All states, fifty at a time, nothing bulky."""
    listing = Listing.parse({})
    assert listing.states == tuple(State)
    assert (listing.type, listing.limit, listing.offset) == (None, 50, 0)
    assert listing.include == frozenset()
    assert Listing.parse({"state": "dead"}).states == (State.DEAD,)
    assert Listing.parse({"include": "attempts, result"}).include == {"attempts", "result"}


def test_rates_are_differences_and_never_negative() -> None:
    """Nothing is known before the first look; after a failover counters may be lower."""
    throughput = Throughput()
    stream, other = ("default", 1), ("mail", 2)
    assert throughput.rates({stream: 5}, 10.0) == {}
    throughput.add({stream: 100}, 10.0)
    assert throughput.rates({stream: 100}, 10.0) == {}
    assert throughput.rates({stream: 150, other: 20}, 20.0) == {stream: 5.0, other: 2.0}
    assert throughput.rates({stream: 50}, 20.0) == {stream: 0.0}
    for n in range(20):
        throughput.add({stream: 200 + n}, 20.0 + n)
    assert throughput.rates({stream: 219 + 6}, 39.0 + 6)[stream] == 1.0


def test_ids_of_a_batch_follow_from_its_first() -> None:
    """Each valid, all different, the same each time, and in the partition that is wanted."""
    first = task_id(3, 1_700_000_000_000, 42)
    ids = [nth_id(first, n, spread(first, n, 8, 200)) for n in range(1000)]
    assert len(set(ids)) == 1000
    assert all(parse_task_id(i) == i and i[:13] == first[:13] for i in ids)
    assert ids == [nth_id(first, n, spread(first, n, 8, 200)) for n in range(1000)]
    assert [partition_of(ids[n]) for n in (0, 199, 200, 999)] == [3, 3, 4, 7]


def test_what_is_in_progress_is_bounded() -> None:
    """By number and by bytes; what ends makes room, however it ends."""
    occupancy = Occupancy()
    with contextlib.suppress(RuntimeError), occupancy.taking(100):
        assert (occupancy.requests, occupancy.bytes) == (1, 100)
        raise RuntimeError
    assert (occupancy.requests, occupancy.bytes) == (0, 0)
    with pytest.raises(Problem) as caught, occupancy.taking(10**9):
        pass
    assert caught.value.code == "busy"
    occupancy.requests = MAX_IN_PROGRESS
    with pytest.raises(Problem), occupancy.taking(1):
        pass


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        ('application/json;charset="utf-8"', True),
        ("application/json; charset=latin-1", False),
        ("application/jsonp", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("", False),
    ],
)
def test_only_json_in_utf_8_is_taken(content_type: str, *, is_json: bool) -> None:
    """A form of a foreign page cannot send it without asking first."""
    assert _is_json(content_type) is is_json
