"""Keeps the leases of what this shard holds, from a thread: code that blocks the loop loses nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from loguru import logger

from shoal.broker.results import Renewed
from shoal.broker.sync_broker import SyncBroker
from shoal.errors import BrokerUnavailable, ShoalError
from shoal.shard.resources import Resources
from shoal.shard.throttle import Sample

if TYPE_CHECKING:
    from types import TracebackType

    from shoal.config import Settings
    from shoal.page import Page
    from shoal.shard.ledger import Ledger
    from shoal.shard.looplag import LoopWatch
    from shoal.shard.overrun import Overrun
    from shoal.shard.slice import Slice
    from shoal.telemetry.metrics import Metrics

#: How often the thread looks at the loop and shows on the page that it lives, in seconds.
LOOK_S: Final = 0.25
#: How often the round trip to Redis is measured, in seconds.
PING_S: Final = 1.0
#: Renewals come at the latest after this long, in seconds, since a shard that heard nothing from
#: Redis for 3 s is not ready.
RENEW_AT_MOST_S: Final = 2.5


class Renewer:
    """The renew thread of one incarnation; runs for as long as the block lasts.

    It never waits for the event loop: it reads the ledger's snapshot, and posts what it learned.
    """

    def __init__(
        self,
        settings: Settings,
        incarnation: str,
        partitions: int,
        *,
        ledger: Ledger,
        slice: Slice,
        page: Page,
        watch: LoopWatch,
        overrun: Overrun,
        learned: Callable[[dict[int, Renewed]], None],
        measured: Callable[[Sample], None],
        metrics: Metrics,
    ) -> None:
        """Made in the event loop.

        Args:
            settings: Where Redis is, and the lease.
            incarnation: Whose leases.
            partitions: How many there are.
            ledger: What to renew.
            slice: Which partitions to keep in touch with.
            page: Shown that the thread lives.
            watch: Looks whether the loop is blocked.
            overrun: Ends the shard when it is blocked for too long.
            learned: Called in the event loop with each round's replies.
            measured: Called in the event loop with what was measured, about once a second.
            metrics: Keeps the latency of Redis.
        """
        self._broker = SyncBroker(settings, partitions)
        self._incarnation = incarnation
        self._interval_s = min(settings.worker.lease_s / 6, RENEW_AT_MOST_S)
        self._ledger = ledger
        self._slice = slice
        self._page = page
        self._watch = watch
        self._overrun = overrun
        self._learned = learned
        self._measured = measured
        worker = settings.worker
        self._has_memory_limit = worker.throttle_memory is not None
        self._has_cpu_limit = worker.throttle_cpu is not None
        self._resources = Resources()
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shoal-renew", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        # At most one call to Redis long, which has its own deadline.
        self._thread.join()

    def _run(self) -> None:
        renew_at = ping_at = time.monotonic()
        is_away = False
        try:
            while not self._stopped.is_set():
                self._page.tick()
                if self._watch.look():
                    self._overrun.look()
                now_s = time.monotonic()
                try:
                    # A failed one is tried again at the next look: the sooner after an outage, the better.
                    if now_s >= renew_at:
                        self._renew()
                        renew_at = now_s + self._interval_s
                    if now_s >= ping_at:
                        ping_at = now_s + PING_S
                        self._measure()
                    is_away = False
                except BrokerUnavailable:
                    if not is_away:
                        self._metrics.broker_unavailable.labels("renew").inc()
                    is_away = True
                except ShoalError as error:
                    renew_at = now_s + self._interval_s
                    logger.error("leases can't be renewed: {}", error)
                self._stopped.wait(LOOK_S)
        except Exception:
            # Without renewals others would take what runs here: the supervisor sees the tick stand,
            # and replaces the shard before the lease passes.
            logger.exception("the renew thread failed")
            raise
        finally:
            self._broker.close()

    def _measure(self) -> None:
        latency_s = self._broker.ping()
        self._metrics.redis_latency.set(latency_s)
        sample = Sample(
            time.monotonic(),
            latency_s,
            self._resources.memory() if self._has_memory_limit else 0,
            self._resources.cpu() if self._has_cpu_limit else 0.0,
        )
        if not self._stopped.is_set():
            self._loop.call_soon_threadsafe(self._measured, sample)

    def _renew(self) -> None:
        began_s = time.monotonic()
        replies = self._broker.renew(
            self._ledger.snapshot(), self._incarnation, self._slice.touched
        )
        self._metrics.redis_calls.labels("renew").observe(time.monotonic() - began_s)
        if replies:
            self._page.contact()
        if not self._stopped.is_set():
            self._loop.call_soon_threadsafe(self._learned, replies)
