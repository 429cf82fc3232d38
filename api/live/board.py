"""What is so now, for all clients together: overview, queues, types, workers, single tasks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from shoal.api.cluster import Shared
from shoal.api.live import figures
from shoal.api.live.figures import Rates
from shoal.api.live.hub import FRAME_S, Hub
from shoal.api.live.public import synthetic
from shoal.api.live.topics import Topic
from shoal.broker.happenings import Happening
from shoal.broker.reading import read_counters
from shoal.clock import mono_s
from shoal.errors import ShoalError
from shoal.model.event import EventType
from shoal.model.priority import Priority

if TYPE_CHECKING:
    from shoal.api.gateway import Gateway
    from shoal.api.live.outbox import Outbox
    from shoal.broker.results import Inspected
    from shoal.config import Settings
    from shoal.model.worker import WorkerRecord

#: Without a change, what is shown is read so often, in seconds; ages grow by themselves.
STILL_S = 1.0
#: Without anybody to show it to; rates need an earlier reading.
UNSEEN_S = 5.0
#: `queues` and `types`, which nobody reads faster, are shown at most so often, in seconds.
TABLE_S = 0.25
#: Operations are looked at so often, in seconds: their runners say so often how far they are.
OPERATION_S = 0.5
#: Of the time, what reading may take: the more it takes, the less often it is done.
_SHARE = 0.1
_TABLES = ("queues", "types")
_TASK = "task:"
_OPERATION = "operation:"

Reader = Callable[[str], Awaitable[Mapping[str, Any] | None]]


class Board:
    """Reads for the topics that anybody follows.

    Args:
        gateway: To Redis.
        hub: Says when something changed.
        settings: With MAX_QUEUE_SIZE and SHOAL_QUEUE_WARNING.
        view: A task as clients see it.
        operation: Reads an operation by its id; answers ``None`` when there is none.
    """

    def __init__(
        self,
        gateway: Gateway,
        hub: Hub,
        settings: Settings,
        view: Callable[[Inspected], dict[str, Any]],
        operation: Reader,
    ) -> None:
        self._gateway = gateway
        self._hub = hub
        self._limit = settings.limit
        self._view = view
        self._operation = operation
        self._topics = {name: Topic(name) for name in ("overview", *_TABLES, "workers")}
        self._dirty: set[str] = set()
        self._wanted = asyncio.Event()
        self._rates, self._stream_rates = Rates(), Rates()
        self._workers: tuple[float, list[WorkerRecord]] = (-STILL_S, [])
        self._oldest: tuple[float, dict[tuple[str, int], float]] = (-STILL_S, {})
        self._periodic_s = 0.0
        self._tables_s = -TABLE_S
        self._operations_s = -OPERATION_S
        self.stats = Shared(self._read_stats)

    def join(self, name: str, outbox: Outbox) -> bool:
        """Follow a topic; whether there is such a one."""
        topic = self._topics.get(name)
        if topic is None:
            if not name.startswith((_TASK, _OPERATION)):
                return False
            topic = self._topics[name] = Topic(name)
        if outbox not in topic.outboxes:
            self._hub.follow(events=name.startswith(_TASK))
        topic.join(outbox)
        self._dirty.add(name)
        if name.startswith(_TASK):
            self._hub.watchers.add(self._touched)
        self._wanted.set()
        self._hub.changed.set()
        return True

    def leave(self, name: str, outbox: Outbox) -> None:
        """Follow it no more."""
        topic = self._topics.get(name)
        if topic is None or outbox not in topic.outboxes:
            return
        topic.leave(outbox)
        self._hub.unfollow(events=name.startswith(_TASK))
        if not topic.outboxes and ":" in name:
            del self._topics[name]
            if not any(other.startswith(_TASK) for other in self._topics):
                self._hub.watchers.discard(self._touched)
        if not any(topic.outboxes for topic in self._topics.values()):
            self._wanted.clear()

    async def run(self) -> None:
        """Read again and again, through every outage."""
        changed = self._hub.changed
        while True:
            is_wanted = self._wanted.is_set() or self._hub.feeds.wants_periodic
            began_s = mono_s()
            changed.clear()
            with contextlib.suppress(ShoalError):  # the hub tells of it
                await self._refresh(is_wanted=is_wanted)
            took_s = mono_s() - began_s
            await asyncio.sleep(max(FRAME_S - took_s, min(STILL_S, took_s * (1 / _SHARE - 1))))
            wake = changed if is_wanted else self._wanted
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STILL_S if is_wanted else UNSEEN_S):
                    await wake.wait()

    def _touched(self, ids: set[str]) -> None:
        self._dirty.update(_TASK + task_id for task_id in ids if _TASK + task_id in self._topics)

    async def _refresh(self, *, is_wanted: bool) -> None:
        dirty, self._dirty = self._dirty, set()
        try:
            await self._show_tasks([name for name in dirty if name.startswith(_TASK)])
            await self._show_operations(dirty)
            wants = {name for name, topic in self._topics.items() if topic.outboxes}
            periodic = self._hub.feeds.wants_periodic and mono_s() - self._periodic_s >= STILL_S
            if wants & {"overview", *_TABLES} or periodic or not is_wanted:
                await self._show_figures(periodic=periodic)
            if "workers" in wants:
                workers = await self._read_workers()
                self._topics["workers"].show({w.id: w.to_json() for w in workers})
        except BaseException:
            self._dirty |= dirty
            raise

    async def _show_figures(self, *, periodic: bool) -> None:
        overview, queues, types = await self._figures()
        if self._topics["overview"].outboxes:
            self._topics["overview"].show(overview)
        self._show_tables({"queues": queues, "types": types})
        if periodic:
            self._periodic_s = mono_s()
            now_ms = time.time_ns() // 1_000_000
            told = [
                Happening(
                    EventType.QUEUE_DEPTH,
                    queue=row["queue"],
                    priority=int(Priority[row["priority"]]),
                    data={name: row[name] for name in ("depth", "oldest_age", "level")},
                )
                for row in queues.values()
            ]
            told.append(Happening(EventType.SYSTEM_METRICS, data=overview))
            self._hub.feeds.offer([synthetic(happening, now_ms) for happening in told])

    def _show_tables(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        wanted = [name for name in tables if self._topics[name].outboxes]
        if not wanted:
            return
        now_s = mono_s()
        if now_s - self._tables_s < TABLE_S and all(self._topics[name].is_shown for name in wanted):
            # What has changed is shown when it is due, also if nothing more happens.
            self._hub.changed.set()
            return
        self._tables_s = now_s
        for name in wanted:
            self._topics[name].show(tables[name])

    async def _figures(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The data of ``overview``, ``queues`` and ``types``."""
        broker = self._gateway.connection.broker
        reading = await read_counters(broker)
        now_s = mono_s()
        if now_s - self._oldest[0] >= STILL_S / 2:
            self._oldest = now_s, await broker.oldest()
        oldest = self._oldest[1]
        rates = self._rates.add(now_s, reading.totals)
        stream_rates = self._stream_rates.add(now_s, reading.settled)
        workers = await self._read_workers()
        return (
            figures.overview_of(reading, rates, workers, oldest),
            figures.queues_of(reading, stream_rates, oldest, self._limit),
            reading.types,
        )

    async def _read_stats(self) -> dict[str, Any]:
        overview, queues, _ = await self._figures()
        return {**overview, "queues": list(queues.values())}

    async def _read_workers(self) -> list[WorkerRecord]:
        now_s = mono_s()
        if now_s - self._workers[0] >= STILL_S or self._hub.workers_changed.is_set():
            self._hub.workers_changed.clear()
            self._workers = now_s, await self._gateway.connection.registry.live()
        return self._workers[1]

    async def _show_tasks(self, names: list[str]) -> None:
        if not names:
            return
        ids = [name.removeprefix(_TASK) for name in names]
        found = await self._gateway.connection.broker.inspect(ids)
        for name, task in zip(names, found, strict=True):
            topic = self._topics.get(name)
            if topic is None:
                continue
            document: dict[str, Any] = {"state": None} if task is None else self._view(task)
            for left_out in ("payload", "result"):
                document.pop(left_out, None)
            topic.show(document)

    async def _show_operations(self, dirty: set[str]) -> None:
        """Those whom nobody was shown yet at once, the others as often as their runners say more."""
        is_due = mono_s() - self._operations_s >= OPERATION_S
        if is_due:
            self._operations_s = mono_s()
        names = [name for name in self._topics if name.startswith(_OPERATION)]
        for name in names if is_due else dirty.intersection(names):
            document = await self._operation(name.removeprefix(_OPERATION))
            topic = self._topics.get(name)
            if topic is not None:
                topic.show({"state": None} if document is None else document)
