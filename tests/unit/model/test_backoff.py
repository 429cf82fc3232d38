"""How long to wait before something that failed is tried again."""

from hypothesis import given
from hypothesis import strategies as st

from shoal.model.backoff import Backoff


@given(tried=st.integers(0, 2_000))
def test_pauses_grow_and_stay_bounded(tried: int) -> None:
    """From nothing to twice as long each time, never longer than the longest; a success begins anew."""
    backoff = Backoff(0.2, 10.0)
    for _ in range(tried):
        backoff.next_s()
    assert 0 <= backoff.next_s() <= min(10.0, 0.2 * 2 ** min(tried, 30))
    backoff.reset()
    assert 0 <= backoff.next_s() <= 0.2
