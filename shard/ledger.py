"""What this shard holds: every claimed task, from the claim until its outcome is answered.

Tables are keyed by (partition, token): a token is unique in its partition only.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoal.shard.handlers import Handler
    from shoal.shard.outcome import Stop


class Held:
    """One task that was claimed.

    Its life here: runs in a slot → ``has_ended`` (its slot is free, its outcome is on its way) →
    answered, and out of the ledger.
    """

    __slots__ = (
        "attempt",
        "clock_offset_ms",
        "context",
        "deadline",
        "handler",
        "has_begun",
        "has_ended",
        "history",
        "id",
        "is_overdue",
        "note",
        "partition",
        "slot",
        "spec",
        "started_s",
        "stop",
        "task",
        "timeout_s",
        "token",
        "type",
    )

    def __init__(
        self,
        partition: int,
        token: bytes,
        id: bytes,
        type: bytes,
        spec: bytes,
        history: bytes | None,
        handler: Handler | None,
        slot: int,
        clock_offset_ms: float,
    ) -> None:
        self.partition = partition
        self.token = token
        self.id = id
        self.type = type
        self.spec = spec
        self.history = history
        #: ``None``: no handler for this type is registered here.
        self.handler = handler
        #: Its place on the shared page.
        self.slot = slot
        #: Redis wall time minus the monotonic clock, in ms, when it was claimed.
        self.clock_offset_ms = clock_offset_ms
        #: Monotonic seconds; ``inf`` = none.
        self.deadline = inf
        self.started_s = 0.0
        self.timeout_s = 0.0
        self.attempt = 1
        #: Why the shard stops it, once it does; whoever sets it first decides the outcome.
        self.stop: Stop | None = None
        self.has_begun = False
        #: Its timeout has passed, and its grace runs.
        self.is_overdue = False
        self.has_ended = False
        self.context: Any = None
        #: What it said of itself (see ``shoal.shard.notes``), once it did.
        self.note: Any = None
        self.task: asyncio.Task[None] | None = None


class Ledger:
    """The tables, the free slots, and how much is under way.

    One thread writes (the event loop's). The renew thread reads through ``snapshot``.
    """

    __slots__ = ("concurrency", "free_slots", "tables", "unanswered")

    def __init__(self, partitions: int, concurrency: int) -> None:
        self.concurrency = concurrency
        self.tables: list[dict[bytes, Held]] = [{} for _ in range(partitions)]
        #: Slots of the page that no running task has; the last freed is taken first.
        self.free_slots = list(range(concurrency - 1, -1, -1))
        #: Outcomes that were decided and that the broker has not answered yet.
        self.unanswered = 0

    @property
    def running(self) -> int:
        """Tasks whose handler has not ended."""
        return self.concurrency - len(self.free_slots)

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs and every outcome is answered."""
        return self.unanswered == 0 and len(self.free_slots) == self.concurrency

    def running_tasks(self) -> list[Held]:
        """What runs now."""
        return [held for table in self.tables for held in table.values() if not held.has_ended]

    def get(self, partition: int, token: bytes) -> Held | None:
        """What is held under this token."""
        return self.tables[partition].get(token)

    def drop(self, held: Held) -> None:
        """Forget a task: its outcome is answered, or nobody would take it."""
        self.tables[held.partition].pop(held.token, None)

    def in_slot(self, slot: int) -> Held | None:
        """What runs in this slot of the page; for the loop-lag watch, from any thread."""
        for table in self.tables:
            for held in table.copy().values():
                if held.slot == slot and not held.has_ended:
                    return held
        return None

    def snapshot(self) -> dict[int, list[tuple[bytes, bytes]]]:
        """Id and token of all that is held, by partition; empty partitions are left out.

        May be called from any thread at any time, also while the event loop stands still: copying
        a dict with keys of bytes is one step of the interpreter, which no other thread sees half done.
        """
        found = {}
        for partition, table in enumerate(self.tables):
            if table:
                items = [(held.id, token) for token, held in table.copy().items()]
                if items:
                    found[partition] = items
        return found
