"""Clients that go on submitting whatever happens to Redis, and note what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from shoal import Shoal
from shoal.clock import wall_ms
from shoal.errors import BrokerUnavailable, PartitionPaused
from shoal.model.identity import TaskIds
from shoal.model.task import from_unix_ms
from tests.chaos.host import PARTITIONS
from tests.support.checker import Submitted


@dataclass
class Submissions:
    """What was submitted so far; each attempt of each id, with its answer."""

    told: list[Submitted] = field(default_factory=list)
    #: Attempts that Redis did not answer, and those that it refused or that never reached it.
    unknown: int = 0
    failed: int = 0

    @property
    def accepted(self) -> int:
        """How many ids are accepted."""
        return len({item.task_id for item in self.told if item.told == "ok"})


@contextlib.asynccontextmanager
async def submitting(
    client: Shoal,
    type: str,
    payload: float,
    *,
    clients: int = 16,
    pause_s: float = 0.02,
    partitions: int = PARTITIONS,
) -> AsyncIterator[Submissions]:
    """Submit tasks of one type in the background, each with an id that repeats keep.

    At the end of the block every client goes on until its last task is accepted.

    Args:
        client: Connected.
        type: The task type.
        payload: Of each task.
        clients: How many submit at once.
        pause_s: What each waits between two tasks.
        partitions: Over which the ids are spread.
    """
    ids = TaskIds(wall_ms, random.Random())
    submissions = Submissions()
    ending = asyncio.Event()

    async def submit(number: int) -> None:
        while not ending.is_set():
            task_id = ids.new(random.randrange(partitions))
            # One client's tasks are scheduled; a repeat keeps the time like the id.
            due_ms = wall_ms() + 400 if number == 0 else None
            while not await _try(  # noqa: ASYNC110 - what ends it is an answer of Redis
                client, submissions, type, payload, task_id, due_ms
            ):
                await asyncio.sleep(pause_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await ending.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(submit(number))
        yield submissions
        ending.set()


async def _try(
    client: Shoal,
    submissions: Submissions,
    type: str,
    payload: float,
    task_id: str,
    due_ms: int | None,
) -> bool:
    try:
        await client.submit(
            type, payload, task_id=task_id, scheduled_at=from_unix_ms(due_ms) if due_ms else None
        )
    except BrokerUnavailable as error:
        told: Submitted = Submitted(
            task_id, "unknown" if error.outcome_unknown else "failed", due_ms
        )
        submissions.unknown += error.outcome_unknown
        submissions.failed += not error.outcome_unknown
    except PartitionPaused:
        told = Submitted(task_id, "failed", due_ms)
        submissions.failed += 1
    else:
        told = Submitted(task_id, "ok", due_ms)
    submissions.told.append(told)
    return told.told == "ok"
