"""Ends a shard whose event loop is held by a handler that is long past its timeout.

Nothing in the loop can do it: the timer that stops handlers waits for the very code that does not
end. The renew thread still runs, as long as that code is Python; where C code keeps the interpreter's
lock, the supervisor sees the thread's tick stand and kills the shard.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.broker.results import Outcome
from shoal.broker.sync_broker import SyncBroker
from shoal.errors import ExitStatus, ShoalError
from shoal.lifecycle import EXIT_RECYCLED
from shoal.model.attempt import line_tail
from shoal.page import PageState
from shoal.shard.decision import after_timeout
from shoal.shard.executor import GRACE_S

if TYPE_CHECKING:
    from shoal.config import Settings
    from shoal.page import Page
    from shoal.shard.ledger import Held, Ledger

#: How often a release is tried before it is left to the supervisor.
_TRIES: Final = 3
#: How much later than it shall a shard may end, in seconds, before this thread ends it.
_LATE_S: Final = 2.0


class Overrun:
    """Looked at by the renew thread while the event loop stands still.

    Args:
        settings: Where Redis is.
        incarnation: Whose tasks.
        ledger: What runs; only read.
        page: Says whose code holds the loop, and is told of the outcome.
        rng: Draws the jitter of the retry.
        ends_by_s: By when the shard shall have ended, monotonic seconds; infinite while it shall not.
        end: Ends the process with this status.
    """

    def __init__(
        self,
        settings: Settings,
        incarnation: str,
        ledger: Ledger,
        page: Page,
        rng: Random,
        ends_by_s: Callable[[], float],
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._settings = settings
        self._incarnation = incarnation
        self._ledger = ledger
        self._page = page
        self._rng = rng
        self._ends_by_s = ends_by_s
        self._end = end

    def look(self) -> None:
        """End the process if what holds the loop is past timeout and grace, or holds up its end."""
        now_s = time.monotonic()
        slot = self._page.executing_slot
        held = self._ledger.in_slot(slot) if slot is not None else None
        if held is not None and held.timeout_s and now_s >= _limit_s(held):
            logger.bind(task=held.id.decode()).error(
                "{} holds the event loop {:g} s beyond its timeout of {:g} s; this shard ends now",
                held.type.decode("utf-8", "replace"), GRACE_S, held.timeout_s,
            )  # fmt: skip
            self._end(self._retire([(held.partition, self._outcome(held))]))
        elif now_s >= self._ends_by_s() + _LATE_S:
            # The handler that it retires for may hold the loop by now: its outcome is recorded.
            logger.error("the event loop is held while this shard shall end; it ends now")
            self._end(self._retire([]))

    def _retire(self, outcomes: list[tuple[int, Outcome]]) -> int:
        """Record these and hand back all others; the status to end with."""
        # Said on the page, so that the supervisor charges nobody: who is stuck has its outcome.
        self._page.state = PageState.ENDED
        broker = SyncBroker(self._settings)
        try:
            for attempt in range(_TRIES):
                try:
                    for partition, ended in outcomes:
                        broker.settle(partition, self._incarnation, [ended])
                    released = broker.release(self._incarnation, "retired")
                    break
                except ShoalError as error:
                    if attempt == _TRIES - 1:
                        logger.warning("what runs here is left to the supervisor: {}", error)
                        return int(ExitStatus.REDIS_UNREACHABLE)
        finally:
            broker.close()
        logger.info("{} tasks are handed back", released.tasks)
        self._page.processed += len(outcomes)
        self._page.failed += len(outcomes)
        return EXIT_RECYCLED

    def _outcome(self, held: Held) -> Outcome:
        verdict = after_timeout(held, None, self._rng, is_stuck=True)
        tail = line_tail(
            int(held.started_s * 1000 + held.clock_offset_ms),
            int((time.monotonic() - held.started_s) * 1e6),
            verdict.outcome,
            verdict.line,
        )
        return Outcome(
            held.token, held.id, held.type, verdict.outcome, verdict.detail, verdict.body, tail
        )


def _limit_s(held: Held) -> float:
    """Until when it may run at most; its grace is in the deadline once the loop began it."""
    return held.deadline if held.is_overdue else held.deadline + GRACE_S
