"""Finds out that no work is left anywhere, for a worker that ends then."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from shoal.broker.outbox import Outboxes
from shoal.errors import ShoalError
from shoal.shard.control import Why

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.config import Settings
    from shoal.shard.claimer import Claimer
    from shoal.shard.control import Control
    from shoal.shard.executor import Executor
    from shoal.shard.ledger import Ledger

_ROUND_S: Final = 0.2


async def end_when_quiet(
    executor: Executor, ledger: Ledger, settings: Settings, control: Control
) -> None:
    """Tell an isolation shard to end once it has had nothing to do for ``SHOAL_ISOLATION_IDLE``."""
    idle_s = settings.worker.isolation_idle_s
    seen, quiet_since = -1, time.monotonic()
    while time.monotonic() - quiet_since < idle_s:
        if executor.processed != seen or not ledger.is_empty:
            seen, quiet_since = executor.processed, time.monotonic()
        await asyncio.sleep(_ROUND_S)
    control.stop(Why.DONE)


async def until_idle(
    broker: Broker, claimer: Claimer, ledger: Ledger, queues: tuple[str, ...]
) -> None:
    """Return when nothing is ready or due that this worker may take, and nothing runs anywhere.

    Nor may there be notices to be delivered, since they make waiting tasks ready.
    What waits for a later time (scheduled, or a retry's backoff) is not waited for.
    """
    outboxes = Outboxes(broker)
    while True:
        asked_s = time.monotonic()
        claimer.poll()
        await asyncio.sleep(_ROUND_S)
        try:
            if (
                ledger.is_empty
                and claimer.has_found_nothing_since(asked_s)
                and not await broker.due(queues)
                and not (await broker.counts_by_state())["RUNNING"]
                and not (await outboxes.standing())[0]
                and not await broker.due(queues)
                and ledger.is_empty
            ):
                return
        except ShoalError:
            continue  # a partition can't be asked, so nobody knows
