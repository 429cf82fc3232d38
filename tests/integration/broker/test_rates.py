"""Buckets in Redis: a rate, a burst, and debt for what is larger."""

from shoal.broker.rates import RateBuckets
from tests.support.builders import Scene


async def test_a_bucket_gives_its_burst_and_then_its_rate(scene: Scene) -> None:
    """What is not there is not given, and when it will be is said; buckets do not meet."""
    buckets = RateBuckets(scene.broker)
    assert await buckets.take("a", 0.5, 10, 1, 4) == (4, 0.0)
    assert await buckets.take("a", 0.5, 10, 6, 6) == (6, 0.0)
    granted, wait_s = await buckets.take("a", 0.5, 10, 1, 5)
    assert granted == 0
    assert 1.5 < wait_s <= 2.0
    assert (await buckets.take("b", 0.5, 10, 1, 1)).granted == 1
    [key] = scene.client().keys("{t}:rate:*")[:1]
    assert scene.client().pttl(key) > 0


async def test_what_is_larger_than_the_burst_is_paid_for_afterwards(scene7: Scene) -> None:
    """Let in when it is full; then others wait until the debt is gone."""
    buckets = RateBuckets(scene7.broker)
    assert (await buckets.take("a", 1, 10, 50, 50)).granted == 50
    granted, wait_s = await buckets.take("a", 1, 10, 1, 1)
    assert granted == 0
    assert 40 < wait_s <= 41
