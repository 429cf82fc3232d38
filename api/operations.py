"""Carries out operations over many tasks beside the requests, and goes on with those whose process died."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from shoal.api.gateway import Gateway
from shoal.broker.bulk import BulkOperation
from shoal.broker.tracked import SILENCE_MS, OperationRecord, OperationStore, Progress
from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, PartitionPaused, ShoalError
from shoal.model.pace import Pace
from shoal.telemetry.logs import logger

#: How often is looked for operations that nobody carries on, in seconds.
LOOK_S = 5.0
#: How often a runner says that it is there, and how far, in seconds.
BEAT_S = 0.5
#: How many one process carries on at once.
MAX_RUNNING = 4


class OperationRunner:
    """Runs operations in this process.

    Args:
        gateway: To Redis.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._name = secrets.token_hex(8)
        self._running: dict[str, asyncio.Task[None]] = {}

    def start(self, record: OperationRecord) -> None:
        """Carry it out, unless that is under way here or there is too much else; then the next look does."""
        if record.id in self._running or len(self._running) >= MAX_RUNNING:
            return
        task = asyncio.create_task(self._run(record), name=f"shoal-operation-{record.id}")
        self._running[record.id] = task
        task.add_done_callback(lambda _: self._running.pop(record.id, None))

    async def keep(self) -> None:
        """Go on with what others left behind, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(ShoalError):
                store = OperationStore(self._gateway.connection.broker)
                for tracked in await store.running():
                    if tracked.is_idle:
                        self.start(tracked.record)

    async def aclose(self) -> None:
        """Stop after the steps that are under way; another process goes on, or this one when it is back."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, record: OperationRecord) -> None:
        try:
            await self._carry_out(record)
        except (BrokerUnavailable, PartitionPaused) as error:
            # It stays running: whoever looks next goes on with it.
            logger.info("operation {} waits: {}", record.id, error)
        except ShoalError as error:
            logger.warning("operation {} failed: {}", record.id, error)

    async def _carry_out(self, record: OperationRecord) -> None:
        broker = self._gateway.connection.broker
        store = OperationStore(broker)
        operation = BulkOperation(
            broker,
            record.verb,
            record.id,
            record.selection,
            reason=record.reason,
            rate=record.rate,
        )
        pace = Pace(record.rate, operation.step_tasks)
        status: str = await store.beat(record.id, self._name)
        beaten_s = mono_s()

        def progress() -> Progress:
            return Progress(operation.numbers, operation.parts, operation.done)

        async def go_on() -> bool:
            nonlocal status, beaten_s
            while True:
                if mono_s() - beaten_s >= BEAT_S:
                    status = await store.beat(record.id, self._name, progress())
                    beaten_s = mono_s()
                done = sum(operation.numbers.values())
                wait_s = pace.wait_s(done, mono_s()) if status == "go" else 0.0
                if wait_s <= 0:
                    return status == "go"
                await asyncio.sleep(min(wait_s, BEAT_S))

        if status == "stop":
            await store.end(record.id, "stopped", progress())
        if status != "go":
            return
        try:
            await operation.run(go_on)
        except (BrokerUnavailable, PartitionPaused):
            raise
        except ShoalError as error:
            await store.end(record.id, "failed", progress(), str(error))
            raise
        if operation.done >= operation.parts:
            await store.end(record.id, "finished", progress())
        elif status == "stop":
            await store.end(record.id, "stopped", progress())


#: For tests and documents: after how many seconds of silence another process goes on.
TAKEN_OVER_AFTER_S = SILENCE_MS / 1000 + LOOK_S
