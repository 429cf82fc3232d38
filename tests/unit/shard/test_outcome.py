"""What is recorded of an attempt that did not complete."""

from random import Random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InvalidPayload, NonRetryable, ResultNotSerializable, Retry
from shoal.model.attempt import line_tail
from shoal.model.retry import RetryPolicy
from shoal.shard.outcome import (
    NO_HANDLER_AFTER_MS,
    NO_HANDLER_TRIES,
    after_bad_payload,
    after_cancel,
    after_error,
    after_large_result,
    after_timeout,
    without_handler,
)

RNG = Random(1)
FIXED = RetryPolicy(max_retries=2, strategy="fixed", initial_backoff=4.0, jitter=False)


def _delay_ms(detail: bytes) -> int:
    assert detail.startswith(b"+")
    return int(detail[1:])


@given(st.integers(1, 120), st.integers(0, 99))
def test_a_failure_is_retried_for_as_long_as_the_policy_allows(attempt: int, retries: int) -> None:
    """Failed with a delay up to the last retry, then dead ``exhausted``."""
    policy = RetryPolicy(max_retries=retries)
    verdict = after_error(ValueError("x"), attempt, policy, RNG)
    if attempt <= retries:
        assert verdict.outcome == "failed"
        assert 0 <= _delay_ms(verdict.detail) <= policy.max_backoff * 1000
    else:
        assert verdict.outcome == "dead"
        assert verdict.detail.startswith(b"exhausted:")
    assert orjson.loads(verdict.body)["message"] == "x"
    assert verdict.line == "ValueError: x"


def test_a_final_failure_is_final_whatever_the_policy() -> None:
    """NonRetryable, also inside a group or a subclass of it, is dead at once."""

    class Fatal(NonRetryable):
        pass

    for error in (NonRetryable("no"), Fatal("no"), ExceptionGroup("g", [OSError(), Fatal("no")])):
        verdict = after_error(error, 1, FIXED, RNG)
        assert (verdict.outcome, verdict.detail.partition(b":")[0]) == ("dead", b"non_retryable")


def test_a_handler_chooses_its_delay() -> None:
    """Retry's delay stands in place of the backoff, without one the backoff holds; attempts still count."""
    assert after_error(Retry("5m"), 1, FIXED, RNG).detail == b"+300000"
    assert after_error(Retry(0), 1, FIXED, RNG).detail == b"+0"
    assert after_error(Retry(), 1, FIXED, RNG).detail == b"+4000"
    assert after_error(ExceptionGroup("g", [Retry(1), Retry(7)]), 1, FIXED, RNG).detail == b"+7000"
    assert after_error(Retry(1), 3, FIXED, RNG).outcome == "dead"


def test_a_timeout_says_so_and_counts() -> None:
    """Failed, then dead ``timeout``; the message names the timeout and whether it could be stopped."""
    verdict = after_timeout(1.5, None, 1, FIXED, RNG)
    assert verdict.outcome == "failed"
    assert "1.5 s" in verdict.line
    assert "could not be stopped" in verdict.line
    last = after_timeout(1.5, ValueError(), 3, FIXED, RNG)
    assert (last.outcome, last.detail.partition(b":")[0]) == ("dead", b"timeout")


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (after_bad_payload(InvalidPayload("no")), b"invalid_payload"),
        (after_large_result(11, 10), b"result_too_large"),
        (after_error(ResultNotSerializable("no"), 1, FIXED, RNG), b"result_not_serializable"),
    ],
)
def test_what_no_repetition_would_mend_is_dead_at_once(verdict: object, reason: bytes) -> None:
    """A payload that does not fit, a result that can't be kept."""
    assert verdict.outcome == "dead"  # type: ignore[attr-defined]
    assert verdict.detail.partition(b":")[0] == reason  # type: ignore[attr-defined]


def test_a_cancel_is_no_error() -> None:
    """Cancelled, with a reason and without an error."""
    assert after_cancel()[:3] == ("cancelled", b"requested", b"")


def test_an_unknown_type_is_handed_back_for_longer_each_time_and_given_up() -> None:
    """Delays grow; dead ``no_handler`` only after 10 tries and an hour, and a requeue begins anew."""
    history, now_ms, delays = b"", 1_000_000, []
    for _ in range(100):
        verdict = without_handler(history, "x.y", now_ms, RNG)
        if verdict.outcome == "dead":
            break
        assert verdict.outcome == "deferred"
        delay_ms = _delay_ms(verdict.detail)
        delays.append(delay_ms)
        tail = line_tail(now_ms, 0, "deferred", verdict.line)
        history += b"interrupted\x1ft\x1fw\x1f" + tail + b"\n"
        now_ms += delay_ms
    assert verdict.outcome == "dead"
    assert verdict.detail.startswith(b"no_handler")
    assert len(delays) >= NO_HANDLER_TRIES
    assert now_ms - 1_000_000 >= NO_HANDLER_AFTER_MS
    assert 4_000 <= delays[0] <= 6_000
    assert delays[-1] >= 400_000
    history += b"requeued\x1fop\x1f\x1f" + line_tail(now_ms, 0, "", "") + b"\n"
    assert without_handler(history, "x.y", now_ms, RNG).outcome == "deferred"
