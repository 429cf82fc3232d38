"""From a run that ended by an exception to what is recorded of it."""

from __future__ import annotations

import contextlib
from random import Random
from typing import TYPE_CHECKING

from shoal.codec import decode_spec
from shoal.errors import CannotDecrypt, InvalidPayload
from shoal.model.retry import RetryPolicy
from shoal.shard import outcome
from shoal.shard.outcome import Stop, Verdict
from shoal.shard.process_pool import RaisedThere

if TYPE_CHECKING:
    from shoal.shard.handlers import Handler
    from shoal.shard.ledger import Held


class BadPayload(Exception):
    """The payload was refused before the handler began; a handler may raise InvalidPayload too."""

    def __init__(self, error: InvalidPayload) -> None:
        super().__init__(str(error))
        self.error = error


def after_exception(held: Held, error: BaseException, rng: Random) -> Verdict:
    """What to record of a run that raised, or was stopped."""
    if held.stop is Stop.TIMEOUT:
        # What it raised in another process has its traceback there.
        is_here = held.handler is not None and not held.handler.is_process
        return after_timeout(held, error if is_here else None, rng)
    if held.stop is not None:
        return outcome.after_cancel()
    if isinstance(error, BadPayload):
        return outcome.after_bad_payload(error.error)
    if held.context is None and isinstance(error, CannotDecrypt):
        return outcome.after_undecryptable(error)
    if held.context is None:
        # Its own header cannot be read, which no repetition would mend.
        return outcome.after_bad_payload(error)
    handler = _handler_of(held)
    raised = error.raised if isinstance(error, RaisedThere) else outcome.judge(error, handler.rules)
    return outcome.after_error(raised, held.attempt, _policy_of(held, handler), rng)


def after_timeout(
    held: Held, error: BaseException | None, rng: Random, *, is_stuck: bool = False
) -> Verdict:
    """What to record of a run past its timeout; see ``outcome.after_timeout``."""
    handler = _handler_of(held)
    policy = _policy_of(held, handler)
    return outcome.after_timeout(
        held.timeout_s, error, held.attempt, policy, rng, handler.rules, is_stuck=is_stuck
    )


def without_handler(held: Held, rng: Random) -> Verdict:
    """What to record of a task whose type nobody here knows."""
    now_ms = round(held.started_s * 1000 + held.clock_offset_ms)
    return outcome.without_handler(held.history, held.type.decode(), now_ms, rng)


def _handler_of(held: Held) -> Handler:
    assert held.handler is not None  # noqa: S101 - only what has a handler runs
    return held.handler


def _policy_of(held: Held, handler: Handler) -> RetryPolicy:
    """What holds for this task: what its submitter said, else its type."""
    with contextlib.suppress(ValueError):
        return decode_spec(held.spec).retry or handler.retry
    return handler.retry
