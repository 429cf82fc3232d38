"""One shot: hands back what a dead shard was running, so that others run it at once."""

from __future__ import annotations

import random
import time

from shoal.broker.results import Blame, HandedBack
from shoal.broker.sync_broker import SyncBroker
from shoal.config import Settings
from shoal.errors import BrokerUnavailable, PartitionPaused
from shoal.telemetry.logs import logger

__all__ = ["main"]

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0


def main(settings: Settings, incarnation: str, reason: str, blame: Blame | None) -> HandedBack:
    """Release all that ``incarnation`` holds, in every partition.

    Tries again for as long as Redis is away or a partition is paused, with full jitter. Safe to
    repeat, and to run twice at once.

    Args:
        settings: Where Redis is.
        incarnation: The dead shard, ``<WORKER_ID>-<index>.<nonce>``.
        reason: Why, in the broker's word: ``killed``, or ``crashed`` with ``blame``.
        blame: What it died of by its own fault, and what was executing.

    Returns:
        How many tasks it has no longer, by the try that finished it.

    Raises:
        BrokerError: Redis answered with an error that no repetition would mend.
    """
    attempt = 0
    while True:
        try:
            broker = SyncBroker(settings)
            try:
                return broker.release(incarnation, reason, blame=blame)
            finally:
                broker.close()
        except (BrokerUnavailable, PartitionPaused) as error:
            if attempt == 0:
                logger.warning("the tasks of {} can't be handed back yet: {}", incarnation, error)
            longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt, 10))
            attempt += 1
            time.sleep(random.uniform(0, longest_s))
