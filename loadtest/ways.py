"""The two ways in which ``endtoend`` submits a batch: by the client's own connection, or over HTTP."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from loadtest.api import Api, api
from loadtest.failure import BenchmarkFailed
from loadtest.figures import Figure, per_task_us
from loadtest.http_load import HttpLoad
from loadtest.preload import ALL_PRIORITIES, Mixer
from loadtest.submit_http import batch
from loadtest.workload import PAYLOAD_BODY, PICKUP_TYPE, TYPES
from shoal.broker.broker import Broker

CONNECTIONS: Final = 64
READY_MADE: Final = 200
"""Different batches over HTTP, made before the clock runs; they are sent in turn."""
TASK_ID: Final = b'"task_id":"'
ID_LENGTH: Final = 36


class Way(ABC):
    """Submits batches of mixed types, the last task of which tells when it started."""

    @abstractmethod
    async def submit(self, number: int) -> str:
        """Submit batch ``number``; the id of its last task.

        Raises:
            BenchmarkFailed: Not all of it was accepted.
        """

    @abstractmethod
    def figures(self, tasks: int) -> dict[str, Figure]:
        """What this way cost since it was opened, for so many tasks."""


class Straight(Way):
    """As a Python program does, one round trip a batch."""

    def __init__(self, broker: Broker, size: int) -> None:
        self._broker = broker
        self._size = size
        self._mixer = Mixer()

    async def submit(self, number: int) -> str:
        """See above."""
        partition = number % self._broker.partitions
        types = random.sample(TYPES, len(TYPES))
        tasks = self._mixer.batch(partition, self._size - 1, types)
        tasks += self._mixer.batch(partition, 1, [PICKUP_TYPE], [random.choice(ALL_PRIORITIES)])
        answers = await self._broker.submit(partition, tasks)
        if any(answer.status != "new" for answer in answers):
            raise BenchmarkFailed(f"refused: {answers[0].status}")
        return tasks[-1].id

    def figures(self, tasks: int) -> dict[str, Figure]:  # noqa: ARG002 - nothing to tell
        """Nothing: it is this process itself."""
        return {}


class OverHttp(Way):
    """As any program does, one ``POST /api/v1/tasks/batch`` a batch."""

    def __init__(self, load: HttpLoad, process: Api, size: int) -> None:
        self._load = load
        self._process = process
        self._requests = [_request(size) for _ in range(READY_MADE)]
        self._api_s, self._own_s = process.cpu_s(), time.process_time()

    async def submit(self, number: int) -> str:
        """See above."""
        answer = await self._load.submit(self._requests[number % READY_MADE])
        at = answer.rindex(TASK_ID) + len(TASK_ID)
        return answer[at : at + ID_LENGTH].decode()

    def figures(self, tasks: int) -> dict[str, Figure]:
        """CPU of the API, and of this process: sending and following the samples."""
        return {
            "api_us_per_task": per_task_us(self._process.cpu_s() - self._api_s, tasks),
            "client_us_per_task": per_task_us(time.process_time() - self._own_s, tasks),
            "api_peak_rss_mib": self._process.peak_rss_mib(),
        }


def _request(size: int) -> bytes:
    types = [*random.choices(TYPES, k=size - 1), PICKUP_TYPE]
    return batch(
        [
            {"type": type_, "payload": PAYLOAD_BODY, "priority": random.choice(ALL_PRIORITIES)}
            for type_ in types
        ]
    )


@asynccontextmanager
async def way(
    broker: Broker, env: Mapping[str, str], size: int, *, over_http: bool
) -> AsyncIterator[Way]:
    """A way for batches of this size; over HTTP with an API process of its own."""
    if not over_http:
        yield Straight(broker, size)
        return
    async with api(env) as process, HttpLoad.connect(process.port, CONNECTIONS) as load:
        yield OverHttp(load, process, size)
