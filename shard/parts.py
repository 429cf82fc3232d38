"""The parts of one incarnation, put together."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING, Final

from shoal.broker.series_writer import SeriesWriter
from shoal.page import PageState
from shoal.shard.claimer import Claimer
from shoal.shard.claims import Claims
from shoal.shard.control import Why
from shoal.shard.deferred import Deferred
from shoal.shard.depth_watch import DepthWatch
from shoal.shard.executor import Executor
from shoal.shard.handlers import handler_table
from shoal.shard.janitor import Janitor, own_retentions
from shoal.shard.leases import Leases
from shoal.shard.ledger import Ledger
from shoal.shard.looplag import LoopWatch
from shoal.shard.notes import Notes
from shoal.shard.outbox import Outbox
from shoal.shard.overrun import Overrun
from shoal.shard.process_pool import ProcessPool
from shoal.shard.recoverer import Recoverer
from shoal.shard.renewer import Renewer
from shoal.shard.settler import Settler
from shoal.shard.slice import Slice
from shoal.shard.throttle import Limits
from shoal.shard.throttling import Throttling
from shoal.shard.ticker import Ticker
from shoal.shard.wakes import Wakes
from shoal.telemetry.call_times import CallTimes
from shoal.telemetry.meter import SubmitMeter, TaskMeter
from shoal.telemetry.metrics import Metrics
from shoal.telemetry.times import Times
from shoal.vault import Vault

if TYPE_CHECKING:
    from shoal.app import Shoal
    from shoal.broker.broker import Broker
    from shoal.broker.registry import Registry
    from shoal.config import Settings
    from shoal.model.identity import Incarnation
    from shoal.page import Page
    from shoal.shard.control import Control
    from shoal.shard.fork_server import ForkServer

#: How often the page, the metrics and the loop watch are fed, in seconds.
TICK_S: Final = 0.25


class Parts:
    """Everything that claims, runs, settles and renews for one incarnation, wired together.

    Must be made in the event loop; nothing is begun by it.
    """

    def __init__(
        self,
        settings: Settings,
        page: Page,
        app: Shoal,
        broker: Broker,
        registry: Registry,
        incarnation: Incarnation,
        control: Control,
        metrics: Metrics,
        forks: ForkServer | None = None,
        *,
        is_isolation: bool = False,
    ) -> None:
        #: Whether it takes only what stands apart.
        self.is_isolation = is_isolation
        name = self.incarnation = str(incarnation)
        rng = SystemRandom()
        is_dead = partial(control.stop_now, Why.DEAD)
        self._page = page
        self._control = control
        self._is_paused = False
        self.rng = rng
        self.ledger = Ledger(broker.partitions, settings.worker.concurrency)
        self.slice = Slice(registry, incarnation.name, broker.partitions)
        self.deferred = Deferred()
        self.times = Times()
        self.meter = TaskMeter(metrics, times=self.times)
        if incarnation.index == 0:
            # One of the host's shards is enough, for what they show is added up.
            self.meter.expect(name.encode() for name in app.tasks)
        self.call_times = CallTimes(metrics.redis_calls)
        broker.answered = self.call_times.answered
        broker.stored = SubmitMeter(metrics).stored
        self.settler = Settler(
            broker,
            name,
            self.ledger,
            self.deferred,
            metrics=metrics,
            rng=rng,
        )
        vault = Vault.of(settings)
        notes = Notes(broker, name, self.ledger, self.deferred, vault)
        self.executor = Executor(
            ledger=self.ledger,
            handlers=handler_table(app.tasks, settings.task),
            page=page,
            report=self.settler.add,
            overrun=partial(control.stop, Why.STUCK),
            deferred=self.deferred,
            notes=notes,
            processes=None
            if forks is None
            else ProcessPool(forks, notes, self.deferred, partial(control.stop, Why.FORKS)),
            meter=self.meter,
            worker_name=incarnation.name,
            max_result_bytes=settings.task.max_payload_bytes,
            rng=rng,
            vault=vault,
        )
        self.claimer = Claimer(
            broker,
            ledger=self.ledger,
            slice=self.slice,
            queues=settings.worker.queues,
            is_weighted=settings.priority_mode == "weighted",
            deferred=self.deferred,
            rng=rng,
            reads_depths=not is_isolation,
            claims=lambda replied: Claims(
                broker,
                name,
                ledger=self.ledger,
                executor=self.executor,
                settler=self.settler,
                deferred=self.deferred,
                page=page,
                queues=settings.worker.queues,
                is_isolation=is_isolation,
                replied=replied,
                is_dead=is_dead,
                metrics=metrics,
                times=self.times,
                rng=rng,
            ),
        )
        self.settler.answered = self.claimer.answered
        self.executor.slot_freed = self.claimer.slot_freed
        self.watch = LoopWatch(page, self.ledger, metrics)
        self.leases = Leases(
            self.ledger,
            self.executor,
            is_claiming=self.claimer.is_claiming,
            is_dead=is_dead,
            metrics=metrics,
        )
        self.throttling = Throttling(
            Limits.of(settings.worker), hold_back=self._hold_back, metrics=metrics
        )
        self.renewer = Renewer(
            settings,
            name,
            broker.partitions,
            ledger=self.ledger,
            slice=self.slice,
            page=page,
            watch=self.watch,
            overrun=Overrun(
                settings, name, self.ledger, page, rng, ends_by_s=lambda: control.deadline_s
            ),
            learned=self.leases.learned,
            measured=self.throttling.observe,
            metrics=metrics,
        )
        self.outbox = Outbox(broker, self.slice, metrics=metrics, rng=rng)
        self.wakes = Wakes(
            broker,
            name,
            claimer=self.claimer,
            executor=self.executor,
            ledger=self.ledger,
            outbox=self.outbox,
            queues=settings.worker.queues,
            page=None if is_isolation else page,
        )
        self.recoverer = Recoverer(broker, name, self.slice, metrics=metrics)
        self.janitor = Janitor(broker, self.slice, own_retentions(app.tasks))
        self.depth_watch = DepthWatch(broker, registry, self.slice, settings.limit)
        self.series = SeriesWriter(broker, registry)
        self.ticker = Ticker(broker, app, self.slice, settings.retention.tombstone_s, rng)

    def pause(self, *, is_paused: bool) -> None:
        """Claim nothing until resumed, or go on; said on the page too."""
        self._is_paused = is_paused
        self.claimer.pause(is_paused=is_paused)
        self._show_whether_claiming()

    def _hold_back(self, tasks: int) -> None:
        """Run at most so many at once."""
        self.claimer.withhold(self.ledger.concurrency - tasks)
        self._show_whether_claiming()

    def _show_whether_claiming(self) -> None:
        if not self._control.is_stopping:
            claims_nothing = self._is_paused or self.throttling.is_shut
            self._page.state = PageState.PAUSED if claims_nothing else PageState.READY

    @property
    def is_drained(self) -> bool:
        """Whether nothing runs, nothing is unanswered, and no claim can bring more."""
        return self.ledger.is_empty and self.claimer.is_quiet

    def tick(self, late_s: float) -> None:
        """Show that the loop turns, and what it has done."""
        page = self._page
        page.loop_tick()
        page.processed = self.executor.processed
        page.failed = self.executor.failed
        page.running = self.ledger.running
        self.watch.turned(late_s)
        if self.meter.flush():
            self.call_times.flush()

    def close(self) -> None:
        """Hand over the last figures; nothing may be running any more."""
        self.settler.close()
        self.executor.close()
        self.throttling.close()
        self.tick(0.0)
        self.meter.flush(now=True)
        self.call_times.flush()


async def tick_for_ever(parts: Parts) -> None:
    """Feed page, metrics and loop watch; until cancelled."""
    due_s = time.monotonic()
    while True:
        now_s = time.monotonic()
        parts.tick(now_s - due_s)
        due_s = now_s + TICK_S
        await asyncio.sleep(TICK_S)
