"""What is heard from Redis is handed to whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal.broker.wakeups import Signal, Wakeups
from shoal.shard.outcome import Stop

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.page import Page
    from shoal.shard.claimer import Claimer
    from shoal.shard.executor import Executor
    from shoal.shard.ledger import Ledger
    from shoal.shard.outbox import Outbox


class Wakes:
    """Listens for one incarnation."""

    def __init__(
        self,
        broker: Broker,
        incarnation: str,
        *,
        claimer: Claimer,
        executor: Executor,
        ledger: Ledger,
        outbox: Outbox,
        queues: tuple[str, ...],
        page: Page | None,
    ) -> None:
        """Hand on what concerns it.

        Args:
            broker: Whose channels.
            incarnation: Who listens.
            claimer: Hears of work.
            executor: Hears of cancels.
            ledger: What is held.
            outbox: Hears of notices to deliver.
            queues: What this worker serves; empty = all.
            page: Told of isolated work; ``None`` = this is an isolation shard, which nothing else concerns.
        """
        self._queues = queues
        self._page = page
        self._broker = broker
        self._incarnation = incarnation
        self._claimer = claimer
        self._executor = executor
        self._ledger = ledger
        self._outbox = outbox

    async def listen(self) -> None:
        """Until cancelled."""
        async with Wakeups(self._broker, self._incarnation) as signals:
            async for signal in signals:
                self._hear(signal)

    def _hear(self, signal: Signal) -> None:
        if signal.kind == "wake":
            self._claimer.woken(signal.partition, signal.queue, signal.hops)
        elif self._page is None and signal.kind in {"urgent", "returned", "isolated", "outbox"}:
            pass
        elif signal.kind == "isolated":
            self._isolated(signal.queue)
        elif signal.kind == "urgent":
            self._claimer.urgent(signal.partition, signal.priority)
        elif signal.kind == "returned":
            self._claimer.handed_back(signal.partition, signal.tasks)
        elif signal.kind == "outbox":
            self._outbox.heard(signal.partition)
        elif signal.kind == "subscribed":
            # What was said while nobody listened is made up for by one claim.
            self._claimer.poll(signal.partition)
        else:
            self._cancel(signal.partition, signal.task_id)

    def _isolated(self, queue: str) -> None:
        if self._page is not None and (not self._queues or queue in self._queues):
            self._page.heard_isolated()

    def _cancel(self, partition: int, task_id: bytes) -> None:
        """The request stands in Redis and the next renewal tells of it; this is only faster."""
        for held in self._ledger.tables[partition].values():
            if held.id == task_id:
                self._executor.stop(held, Stop.CANCEL)
