"""What clients and operators of the soak do, and what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from shoal import Shoal
from shoal.clock import wall_ms
from shoal.errors import BrokerUnavailable, UnknownDependency
from shoal.model.identity import TaskIds
from shoal.model.task import from_unix_ms
from tests.chaos.host import PARTITIONS
from tests.support.checker import Submitted

CLIENTS = 8
PAUSE_S = 0.03
#: A wait that a task is scheduled for, in ms.
LATER_MS = (300, 3000)
#: Operators choose among so many of the latest tasks.
REMEMBERED = 500
#: What each client submits, and how often among a hundred.
KINDS = {"work": 50, "thread": 10, "flaky": 12, "fails": 5, "scheduled": 10, "child": 8, "long": 5}


@dataclass
class Traffic:
    """Clients and operators; every submission and its answer.

    Args:
        client: Connected.
        rng: Decides what comes next.
    """

    client: Shoal
    rng: random.Random
    told: list[Submitted] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    #: Every id that was ever sent.
    tried: set[str] = field(default_factory=set)
    #: Those of ``soak.fails``: they alone may end DEAD.
    failing: set[str] = field(default_factory=set)
    #: What children wait for: a parent that fails or is cancelled takes them along.
    with_parents: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def __post_init__(self) -> None:
        self._ids = TaskIds(wall_ms, self.rng)
        self._ending = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clients and operators around the block; its end waits until each was answered."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._submit())
            group.create_task(self._operate())
            try:
                yield
            finally:
                self._ending.set()

    async def _submit(self) -> None:
        kinds, weights = list(KINDS), list(KINDS.values())
        while not self._ending.is_set():
            kind = self.rng.choices(kinds, weights)[0]
            task_id = self._ids.new(self.rng.randrange(PARTITIONS))
            task_type, payload, options, due_ms = self._task(kind, task_id)
            self.tried.add(task_id)
            while not await self._try(  # noqa: ASYNC110 - what ends it is an answer of Redis
                task_id, task_type, payload, options, due_ms
            ):
                await asyncio.sleep(PAUSE_S)
            await self._pause(PAUSE_S)

    def _task(self, kind: str, task_id: str) -> tuple[str, Any, dict[str, Any], int | None]:
        options: dict[str, Any] = {"priority": self.rng.randrange(4)}
        due_ms = None
        match kind:
            case "thread":
                return "soak.thread", self.rng.uniform(0, 0.1), options, due_ms
            case "flaky":
                return "soak.flaky", self.rng.randrange(1, 3), options, due_ms
            case "fails":
                self.failing.add(task_id)
                return "soak.fails", None, options, due_ms
            case "scheduled":
                due_ms = wall_ms() + self.rng.randrange(*LATER_MS)
                options["scheduled_at"] = from_unix_ms(due_ms)
            case "child" if self.recent:
                self.with_parents.add(task_id)
                few = min(len(self.recent), self.rng.randrange(1, 4))
                options["depends_on"] = self.rng.sample(list(self.recent), few)
            case "long":
                return "soak.work", self.rng.uniform(1, 3), options, due_ms
        return "soak.work", self.rng.uniform(0, 0.1), options, due_ms

    async def _try(
        self, task_id: str, type: str, payload: Any, options: dict[str, Any], due_ms: int | None
    ) -> bool:
        try:
            await self.client.submit(type, payload, task_id=task_id, **options)
        except BrokerUnavailable as error:
            unknown = error.outcome_unknown
            self.told.append(Submitted(task_id, "unknown" if unknown else "failed", due_ms))
            return False
        except UnknownDependency:
            # No parent is ever removed here.
            raise AssertionError(f"a parent of {task_id} is gone: {options}") from None
        self.told.append(Submitted(task_id, "ok", due_ms))
        self.accepted.add(task_id)
        self.recent.append(task_id)
        return True

    async def _operate(self) -> None:
        """Cancel, requeue, pause and resume now and then; Redis may be away at any of it."""
        number = 0
        while not self._ending.is_set():
            await self._pause(self.rng.uniform(0.2, 1.0))
            number += 1
            with contextlib.suppress(BrokerUnavailable):
                broker = await self.client.broker()
                few = self.rng.sample(list(self.recent), min(3, len(self.recent)))
                match self.rng.randrange(4):
                    case 0:
                        self.cancelled.update(few)
                        await broker.cancel(few)
                    case 1:
                        await broker.requeue(few, f"soak-{number}")
                    case 2:
                        await broker.pause("default")
                        await self._pause(self.rng.uniform(0.1, 0.6))
                    case 3:
                        await broker.peek("default", 1)
            await self._resume()

    async def _resume(self) -> None:
        while True:
            with contextlib.suppress(BrokerUnavailable):
                await (await self.client.broker()).resume("default")
                return
            await asyncio.sleep(PAUSE_S)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
