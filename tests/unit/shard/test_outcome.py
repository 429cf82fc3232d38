"""What is recorded of an attempt that did not complete."""

from random import Random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InvalidPayload, NonRetryable, ResultNotSerializable, Retry
from shoal.model.attempt import line_tail
from shoal.model.reason import DEAD_MEANINGS, DeadReason
from shoal.model.retry import RetryPolicy
from shoal.shard.outcome import (
    NO_HANDLER_AFTER_MS,
    NO_HANDLER_TRIES,
    Rules,
    Verdict,
    after_bad_payload,
    after_cancel,
    after_error,
    after_large_result,
    after_timeout,
    judge,
    refused_by_broker,
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
    verdict = after_error(judge(ValueError("x")), attempt, policy, RNG)
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
        verdict = after_error(judge(error), 1, FIXED, RNG)
        assert (verdict.outcome, verdict.detail.partition(b":")[0]) == ("dead", b"exhausted")


def test_a_handler_chooses_its_delay() -> None:
    """Retry's delay stands in place of the backoff, without one the backoff holds; attempts still count."""

    def after(error: BaseException, attempt: int = 1) -> Verdict:
        return after_error(judge(error), attempt, FIXED, RNG)

    assert after(Retry("5m")).detail == b"+300000"
    assert after(Retry(0)).detail == b"+0"
    assert after(Retry()).detail == b"+4000"
    assert after(ExceptionGroup("g", [Retry(1), Retry(7)])).detail == b"+7000"
    assert after(Retry(1), 3).outcome == "dead"


@pytest.mark.parametrize(
    ("rules", "error", "is_final"),
    [
        (Rules(retry_on=(OSError,)), OSError(), False),
        (Rules(retry_on=(OSError,)), ConnectionError(), False),
        (Rules(retry_on=(OSError,)), ValueError(), True),
        (Rules(retry_on=()), ValueError(), True),
        (Rules(give_up_on=(ValueError,)), UnicodeError(), True),
        (Rules(give_up_on=(ValueError,)), OSError(), False),
        (Rules((OSError,), (FileNotFoundError,)), FileNotFoundError(), True),
        (Rules((OSError,), (FileNotFoundError,)), ConnectionError(), False),
        (Rules((OSError,)), ExceptionGroup("g", [OSError(), OSError()]), False),
        (Rules((OSError,)), ExceptionGroup("g", [OSError(), KeyError()]), True),
        (Rules((OSError,)), Retry(1), False),
        (Rules(give_up_on=(Exception,)), Retry(1), False),
        (Rules(retry_on=(Exception,)), NonRetryable(), True),
    ],
)
def test_a_type_says_which_exceptions_are_retried(
    rules: Rules, error: BaseException, is_final: bool
) -> None:
    """``give_up_on`` above ``retry_on``, Retry above both, NonRetryable above all."""
    raised = judge(error, rules)
    assert raised.is_final is is_final
    verdict = after_error(raised, 1, FIXED, RNG)
    assert verdict.outcome == ("dead" if is_final else "failed")


def test_rules_that_cannot_be_asked_do_not_end_a_shard() -> None:
    """A class whose instance check raises is nobody's instance."""

    class Odd(type):
        def __instancecheck__(cls, instance: object) -> bool:
            raise RuntimeError

    class Strange(Exception, metaclass=Odd):
        pass

    assert judge(ValueError("x"), Rules(give_up_on=(Strange,))).is_final is False


def test_a_timeout_counts_as_timeouterror_in_a_types_rules() -> None:
    """Given up on, or not among what is retried: dead ``timeout`` at the first."""
    for rules in (Rules(give_up_on=(TimeoutError,)), Rules(retry_on=(ValueError,))):
        verdict = after_timeout(1, ValueError(), 1, FIXED, RNG, rules)
        assert (verdict.outcome, verdict.detail.partition(b":")[0]) == ("dead", b"timeout")
    assert after_timeout(1, None, 1, FIXED, RNG, Rules((OSError,))).outcome == "failed"


def test_every_reason_has_its_meaning_and_no_other_word_is_used() -> None:
    """The table is whole, and what a shard decides is in it."""
    assert set(DEAD_MEANINGS) == set(DeadReason)
    policy = RetryPolicy(max_retries=0)
    verdicts = [
        after_error(judge(ValueError()), 1, policy, RNG),
        after_timeout(1, None, 1, policy, RNG),
        after_bad_payload(InvalidPayload("no")),
        after_large_result(11, 10),
        refused_by_broker(ValueError()),
    ]
    words = {verdict.detail.decode().partition(":")[0] for verdict in verdicts}
    assert words <= {reason.value for reason in DeadReason}


def test_a_timeout_says_so_and_counts() -> None:
    """Failed, then dead ``timeout``; the message names the timeout and whether it could be stopped."""
    verdict = after_timeout(1.5, None, 1, FIXED, RNG, is_stuck=True)
    assert verdict.outcome == "failed"
    assert "1.5 s" in verdict.line
    assert "could not be stopped" in verdict.line
    last = after_timeout(1.5, ValueError(), 3, FIXED, RNG)
    assert (last.outcome, last.detail.partition(b":")[0]) == ("dead", b"timeout")


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (after_bad_payload(InvalidPayload("no")), b"invalid_payload"),
        (after_large_result(11, 10), b"exhausted"),
        (after_error(judge(ResultNotSerializable("no")), 1, FIXED, RNG), b"exhausted"),
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
