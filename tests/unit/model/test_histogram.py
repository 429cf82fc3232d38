"""Histograms with the same bounds everywhere, so that they can be added up."""

import pytest

from shoal.model.histogram import BOUNDS_S, BUCKETS, coarse, pack, places, quantile, unpack


def test_packed_and_read_again() -> None:
    """What is stored says the same; what no script writes is refused."""
    assert unpack(pack({3: 5, 90: 1, 7: 0})) == {3: 5, 90: 1}
    for wrong in ("3", "3*x", f"{BUCKETS}*1"):
        with pytest.raises(ValueError, match="no bucket"):
            unpack(wrong)


def test_a_quantile_lies_in_its_bucket() -> None:
    """Between the bounds of the bucket that holds it; of nothing there is none."""
    assert quantile({}, 0.5) is None
    found = quantile({10: 50, 20: 50}, 0.99)
    assert found is not None
    assert BOUNDS_S[19] < found <= BOUNDS_S[20]


def test_fewer_buckets_hold_as_many() -> None:
    """Nothing is lost, counted twice or put above its bound on the way to coarser bounds."""
    bounds_s = (0.001, 1.0, 900.0)
    counts = dict(enumerate(range(BUCKETS)))
    found = coarse(counts, places(bounds_s))
    for place, bound in enumerate(bounds_s):
        upto = sum(found[at] for at in range(place + 1))
        assert upto == sum(counts[at] for at in range(BOUNDS_S.index(bound) + 1))
    assert sum(found.values()) == sum(counts.values())


def test_a_bucket_is_never_divided() -> None:
    """Coarser bounds that are not among the fine ones are refused."""
    with pytest.raises(ValueError, match="no bounds"):
        places((0.001, 0.0017))
