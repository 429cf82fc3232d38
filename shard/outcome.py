"""What is recorded of an attempt, decided from how it ended. Pure.

The happy end needs no decision and is not here: ``completed``, with the result.
"""

from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from shoal.broker.results import OutcomeWord
from shoal.errors import NonRetryable, ResultNotSerializable, Retry
from shoal.model.attempt import parse_history
from shoal.model.retry import RetryPolicy
from shoal.shard.failure import Failure, describe, plain

#: A type that no worker here knows is handed back for longer each time, and given up when it was
#: handed back this often over this long: a rolling deployment needs minutes, a typing error for ever.
NO_HANDLER_TRIES: Final = 10
NO_HANDLER_AFTER_MS: Final = 3_600_000
_NO_HANDLER_FIRST_S: Final = 5.0
_NO_HANDLER_LONGEST_S: Final = 600.0


class Stop(StrEnum):
    """Why the shard stopped a handler; told apart from a cancellation that is the handler's own."""

    #: It ran longer than its timeout.
    TIMEOUT = "timeout"
    #: Somebody asked for it.
    CANCEL = "cancel"
    #: The claim no longer holds: another worker may run the task, an outcome would be refused.
    LOST = "lost"
    #: It was handed back, since the shard stops.
    RELEASED = "released"


class Verdict(NamedTuple):
    """What to settle.

    Attributes:
        outcome: The broker's word.
        detail: ``+<delay ms>`` or the reason, as the broker takes it.
        body: The error as JSON; empty for what is no error.
        line: The error in one line, for the history.
    """

    outcome: OutcomeWord
    detail: bytes
    body: bytes = b""
    line: str = ""


def after_error(error: BaseException, attempt: int, policy: RetryPolicy, rng: Random) -> Verdict:
    """The handler raised ``error``.

    Args:
        error: Anything, also what is no ``Exception``: user code must not end a shard.
        attempt: Which one this was, from 1.
        policy: What holds for this task.
        rng: Draws the backoff's jitter.
    """
    failure = describe(error)
    if _holds(error, NonRetryable):
        return _dead("non_retryable", failure)
    if isinstance(error, ResultNotSerializable):
        return _dead("result_not_serializable", failure)
    asked = [retry.delay_s for retry in _leaves(error) if isinstance(retry, Retry)]
    delay_s = max((delay for delay in asked if delay is not None), default=None)
    return _failed(failure, "exhausted", attempt, policy, rng, delay_s)


def after_timeout(
    timeout_s: float, error: BaseException | None, attempt: int, policy: RetryPolicy, rng: Random
) -> Verdict:
    """The handler was stopped since it ran longer than ``timeout_s``.

    Args:
        timeout_s: What held for this task.
        error: What it raised when it was stopped; ``None`` when it still runs.
        attempt: Which one this was, from 1.
        policy: What holds for this task.
        rng: Draws the backoff's jitter.
    """
    message = f"ran longer than its timeout of {timeout_s:g} s"
    if error is None:
        message += " and could not be stopped"
    failure = plain("Timeout", message)
    if error is not None:
        # Its traceback says where the time went.
        failure = failure._replace(
            body=describe(TimeoutError(message).with_traceback(error.__traceback__)).body
        )
    return _failed(failure, "timeout", attempt, policy, rng, None)


def after_cancel() -> Verdict:
    """The handler was stopped since somebody asked for it."""
    return Verdict("cancelled", b"requested", b"", "")


def after_bad_payload(error: BaseException) -> Verdict:
    """The payload is not what the handler takes: no repetition would mend that."""
    return _dead("invalid_payload", describe(error))


def after_large_result(size: int, limit: int) -> Verdict:
    """The handler returned more than a result may have, in bytes."""
    message = (
        f"the result has {size} bytes; at most {limit} are kept: store it elsewhere and return "
        "where it is, or raise SHOAL_MAX_PAYLOAD"
    )
    return _dead("result_too_large", plain("ResultTooLarge", message))


def without_handler(history: bytes | None, type_: str, now_ms: int, rng: Random) -> Verdict:
    """This worker has no handler for the type; another one may.

    Args:
        history: The task's; says how often and since when it has been handed back for this.
        type_: The task's type.
        now_ms: Redis wall time in milliseconds.
        rng: Spreads tasks that were handed back together.
    """
    tries, first_ms = 0, now_ms
    for line in parse_history(history or b""):
        if line.kind == "requeued":
            tries, first_ms = 0, now_ms
        elif line.outcome == "deferred":
            first_ms = first_ms if tries else line.start_ms
            tries += 1
    failure = plain("NoHandler", f"no handler for the type {type_!r} is registered here")
    if tries >= NO_HANDLER_TRIES and now_ms - first_ms >= NO_HANDLER_AFTER_MS:
        return _dead("no_handler", failure)
    delay_s = min(_NO_HANDLER_FIRST_S * 2.0 ** min(tries, 30), _NO_HANDLER_LONGEST_S)
    return Verdict("deferred", _delay(delay_s * rng.uniform(0.8, 1.2)), b"", failure.line)


def refused_by_broker(error: BaseException) -> Verdict:
    """The broker would not take this outcome: the task ends here rather than block all others."""
    return _dead("internal", describe(error))


def _failed(
    failure: Failure,
    when_exhausted: str,
    attempt: int,
    policy: RetryPolicy,
    rng: Random,
    delay_s: float | None,
) -> Verdict:
    if not policy.allows(attempt):
        return _dead(when_exhausted, failure)
    if delay_s is None:
        delay_s = policy.backoff_s(attempt, rng)
    return Verdict("failed", _delay(delay_s), failure.body, failure.line)


def _dead(reason: str, failure: Failure) -> Verdict:
    detail = f"{reason}:{failure.fingerprint}".encode()
    return Verdict("dead", detail, failure.body, failure.line)


def _delay(seconds: float) -> bytes:
    return b"+%d" % round(seconds * 1000)


def _leaves(error: BaseException) -> list[BaseException]:
    """The exception, or what the groups in it hold; a task group wraps whatever its tasks raise."""
    found, stack = [], [error]
    while stack:
        one = stack.pop()
        if isinstance(one, BaseExceptionGroup):
            stack.extend(one.exceptions)
        else:
            found.append(one)
    return found


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(leaf, kind) for leaf in _leaves(error))
