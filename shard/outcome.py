"""What is recorded of an attempt, decided from how it ended. Pure.

The happy end needs no decision and is not here: ``completed``, with the result.
"""

from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from shoal.broker.results import OutcomeWord
from shoal.errors import NonRetryable, ResultNotSerializable, Retry
from shoal.model.attempt import parse_history
from shoal.model.reason import DeadReason
from shoal.model.retry import RetryPolicy
from shoal.shard.failure import Failure, describe, leaves, plain

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


class Rules(NamedTuple):
    """What a task type says about exceptions; a timeout counts as ``TimeoutError``.

    Attributes:
        retry_on: Only what is one of these is retried; ``None`` = everything is.
        give_up_on: What is one of these is not.
    """

    retry_on: tuple[type[BaseException], ...] | None = None
    give_up_on: tuple[type[BaseException], ...] = ()

    def are_final_for(self, error: BaseException) -> bool:
        """Whether an attempt that ended by this is the last; of a group, whether one in it is."""
        for leaf in leaves(error):
            if isinstance(leaf, self.give_up_on):
                return True
            if self.retry_on is not None and not isinstance(leaf, self.retry_on):
                return True
        return False


NO_RULES: Final = Rules()


class Raised(NamedTuple):
    """An exception, judged where it was raised: what is needed of it to decide what follows.

    Attributes:
        failure: As it is recorded.
        is_final: No retry, whatever the policy says.
        delay_s: When to retry, in seconds; ``None`` = the policy's backoff.
        is_bad_payload: The payload was refused before the handler began.
    """

    failure: Failure
    is_final: bool = False
    delay_s: float | None = None
    is_bad_payload: bool = False


def judge(error: BaseException, rules: Rules = NO_RULES) -> Raised:
    """Look at an exception, whatever it is: user code must not end a shard.

    ``NonRetryable`` is above all, then ``Retry``, which also stands above the type's rules.
    """
    failure = describe(error)
    if _holds(error, NonRetryable) or isinstance(error, ResultNotSerializable):
        return Raised(failure, is_final=True)
    asked = [retry for retry in leaves(error) if isinstance(retry, Retry)]
    if asked:
        delays = [retry.delay_s for retry in asked if retry.delay_s is not None]
        return Raised(failure, delay_s=max(delays, default=None))
    if rules is NO_RULES:
        return Raised(failure)
    try:
        return Raised(failure, is_final=rules.are_final_for(error))
    except Exception:  # noqa: BLE001 - a class may bring its own instance check
        return Raised(failure)


def after_error(raised: Raised, attempt: int, policy: RetryPolicy, rng: Random) -> Verdict:
    """The handler raised.

    Args:
        raised: What, as ``judge`` saw it.
        attempt: Which one this was, from 1.
        policy: What holds for this task.
        rng: Draws the backoff's jitter.
    """
    if raised.is_bad_payload:
        return _dead(DeadReason.INVALID_PAYLOAD, raised.failure)
    if raised.is_final:
        return _dead(DeadReason.EXHAUSTED, raised.failure)
    return _failed(raised.failure, DeadReason.EXHAUSTED, attempt, policy, rng, raised.delay_s)


def after_timeout(
    timeout_s: float,
    error: BaseException | None,
    attempt: int,
    policy: RetryPolicy,
    rng: Random,
    rules: Rules = NO_RULES,
    *,
    is_stuck: bool = False,
) -> Verdict:
    """The handler was stopped since it ran longer than ``timeout_s``.

    Args:
        timeout_s: What held for this task.
        error: What it raised when it was stopped; ``None`` when that is not known here.
        attempt: Which one this was, from 1.
        policy: What holds for this task.
        rng: Draws the backoff's jitter.
        rules: Of its type.
        is_stuck: It could not be stopped, and still runs.
    """
    message = f"ran longer than its timeout of {timeout_s:g} s"
    if is_stuck:
        message += " and could not be stopped"
    if error is None:
        failure = plain("TimeoutError", message)
    else:
        # Its traceback says where the time went.
        failure = describe(TimeoutError(message).with_traceback(error.__traceback__))
    if rules is not NO_RULES and rules.are_final_for(TimeoutError()):
        return _dead(DeadReason.TIMEOUT, failure)
    return _failed(failure, DeadReason.TIMEOUT, attempt, policy, rng, None)


def handed_back(reason: str) -> Verdict:
    """It could not be run here, through no fault of its own: it goes before all others."""
    return Verdict("returned", reason.encode(), b"", reason)


def after_cancel() -> Verdict:
    """The handler was stopped since somebody asked for it."""
    return Verdict("cancelled", b"requested", b"", "")


def after_bad_payload(error: BaseException) -> Verdict:
    """The payload is not what the handler takes: no repetition would mend that."""
    return _dead(DeadReason.INVALID_PAYLOAD, describe(error))


def after_undecryptable(error: BaseException) -> Verdict:
    """The payload can't be read here, and no repetition would mend that."""
    return _dead(DeadReason.DECRYPT, plain("CannotDecrypt", str(error)))


def after_large_result(size: int, limit: int) -> Verdict:
    """The handler returned more than a result may have, in bytes."""
    message = (
        f"the result has {size} bytes; at most {limit} are kept: store it elsewhere and return "
        "where it is, or raise SHOAL_MAX_PAYLOAD"
    )
    return _dead(DeadReason.EXHAUSTED, plain("ResultTooLarge", message))


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
        return _dead(DeadReason.NO_HANDLER, failure)
    delay_s = min(_NO_HANDLER_FIRST_S * 2.0 ** min(tries, 30), _NO_HANDLER_LONGEST_S)
    return Verdict("deferred", _delay(delay_s * rng.uniform(0.8, 1.2)), b"", failure.line)


def refused_by_broker(error: BaseException) -> Verdict:
    """The broker would not take this outcome: the task ends here rather than block all others."""
    return _dead(DeadReason.INTERNAL, describe(error))


def _failed(
    failure: Failure,
    when_exhausted: DeadReason,
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


def _dead(reason: DeadReason, failure: Failure) -> Verdict:
    detail = f"{reason}:{failure.fingerprint}".encode()
    return Verdict("dead", detail, failure.body, failure.line)


def _delay(seconds: float) -> bytes:
    return b"+%d" % round(seconds * 1000)


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    return any(isinstance(leaf, kind) for leaf in leaves(error))
