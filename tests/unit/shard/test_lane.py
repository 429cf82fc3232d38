"""How long a shard stays with one partition."""

from shoal.model.backoff import Backoff
from shoal.shard.depths import MAX_STAY_CLAIMS, MAX_STAY_S
from shoal.shard.lane import Lane, Stay


def test_a_stay_ends_after_sixteen_full_claims() -> None:
    """However fast they come."""
    stay, claims = Stay(), 0
    while True:
        stay.claim(3, now_s=0.0)
        stay.reply(3, is_full=True)
        claims += 1
        if not stay.may_go_on(0.0):
            break
    assert claims == MAX_STAY_CLAIMS


def test_a_stay_ends_after_fifty_milliseconds_or_with_a_claim_that_is_not_full() -> None:
    """Time, or a partition that has less than was asked for."""
    stay = Stay()
    stay.claim(3, now_s=1.0)
    assert not stay.may_go_on(1.0)  # its reply has not come
    stay.reply(3, is_full=True)
    assert stay.may_go_on(1.0 + MAX_STAY_S / 2)
    assert not stay.may_go_on(1.0 + MAX_STAY_S)
    stay.reply(3, is_full=False)
    assert not stay.may_go_on(1.0)


def test_a_reply_from_elsewhere_does_not_prolong_a_stay() -> None:
    """Only claims of the same partition count."""
    stay = Stay()
    stay.claim(3, now_s=0.0)
    stay.reply(4, is_full=True)
    assert not stay.may_go_on(0.0)


def test_a_leap_is_always_upwards() -> None:
    """A call number that was refused as old grows fast, whatever is on record."""
    lane = Lane(0, Backoff())
    numbers = [lane.call_number]
    for _ in range(40):
        lane.leap()
        numbers.append(lane.call_number)
    assert numbers == sorted(set(numbers))
    assert numbers[-1] > 2**40
