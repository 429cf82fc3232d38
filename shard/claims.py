"""Sends claims and takes their replies: one outstanding per partition, repeated until it is answered.

A claim is repeated with the same call number, so that the tasks of a lost reply come with the next
one instead of staying with a worker that does not know of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.broker.results import Claimed
from shoal.errors import BrokerUnavailable, PartitionPaused
from shoal.model.backoff import Backoff
from shoal.shard.depths import BLIND_EVERY
from shoal.shard.lane import Lane

if TYPE_CHECKING:
    from random import Random

    from shoal.broker.broker import Broker
    from shoal.page import Page
    from shoal.shard.deferred import Deferred
    from shoal.shard.executor import Executor
    from shoal.shard.ledger import Ledger
    from shoal.shard.settler import Settler
    from shoal.telemetry.metrics import Metrics
    from shoal.telemetry.times import Times

#: A partition that is paused for resharding, or refuses claims, is asked again this often (seconds).
REFUSED_RETRY_S: Final = 1.0

_monotonic = time.monotonic


class Claims:
    """The claims of one incarnation on their way, in all partitions."""

    def __init__(
        self,
        broker: Broker,
        incarnation: str,
        *,
        ledger: Ledger,
        executor: Executor,
        settler: Settler,
        deferred: Deferred,
        page: Page,
        queues: tuple[str, ...],
        is_isolation: bool,
        replied: Callable[[Lane, Claimed], None],
        is_dead: Callable[[], None],
        metrics: Metrics,
        times: Times,
        rng: Random,
    ) -> None:
        """Begin with nothing outstanding.

        Args:
            broker: Where to claim.
            incarnation: Who claims.
            ledger: Says how many slots are free.
            executor: Begins what was claimed.
            settler: Sends the outcomes of a partition together with a claim of it.
            deferred: Waits for Redis.
            page: Told of each reply, since readiness means that replies come.
            queues: What this worker serves; empty = all.
            is_isolation: Claim only what stands apart.
            replied: Called after the tasks of a reply were begun.
            is_dead: Called when the broker says that this incarnation was released.
            metrics: Counts claims.
            times: Counts how long tasks waited.
            rng: Draws the jitter of repetitions.
        """
        self._broker = broker
        self._incarnation = incarnation
        self._ledger = ledger
        self._executor = executor
        self._settler = settler
        self._deferred = deferred
        self._page = page
        self._queues = queues
        self._is_isolation = is_isolation
        self._replied = replied
        self._is_dead = is_dead
        self._metrics = metrics
        self._times = times
        self._found = metrics.claims.labels("found")
        self._empty = metrics.claims.labels("empty")
        self._promised = 0
        #: Slots that stay free because something is short.
        self.withheld = 0
        self._closed = False
        self._sent = 0
        self.lanes = [Lane(n, Backoff(rng=rng)) for n in range(len(ledger.tables))]
        #: Claims in flight that ask one partition for all free slots.
        self.eager_in_flight = 0

    @property
    def free(self) -> int:
        """Free slots that no outstanding claim may fill."""
        return len(self._ledger.free_slots) - self._promised - self.withheld

    @property
    def promised(self) -> int:
        """Free slots that outstanding claims may fill."""
        return self._promised

    def send(self, lane: Lane, want: int, sleep_s: float = 0.0, *, is_blind: bool = False) -> None:
        """Claim up to ``want`` tasks there; ``lane`` must have no claim outstanding.

        Args:
            lane: The partition.
            want: At most ``free``; 0 only to stand as a sleeper.
            sleep_s: For how long to stand as a sleeper when less is found; 0 = not.
            is_blind: Look into the streams whatever the counters say.
        """
        lane.call_number += 1
        self._sent += 1
        lane.want, lane.sleep_s = want, sleep_s
        lane.is_blind = is_blind or self._sent % BLIND_EVERY == 0
        lane.is_outstanding = True
        lane.pending_wake = None
        lane.is_summoned = False
        lane.sleeps_until = 0.0
        lane.asked_at = _monotonic()
        self._settler.flush(lane.partition)
        self._issue(lane)

    def close(self) -> None:
        """Send nothing more; what replies still bring is handed back."""
        self._closed = True
        for lane in self.lanes:
            if lane.timer is not None:
                lane.timer.cancel()

    def _issue(self, lane: Lane) -> None:
        lane.timer = None
        if self._closed:
            return
        lane.promised = max(0, min(lane.want, self.free))
        self._promised += lane.promised
        lane.in_flight = True
        self.eager_in_flight += not lane.sleep_s
        call = self._broker.claim(
            lane.partition,
            self._incarnation,
            lane.call_number,
            lane.want,
            queues=self._queues,
            sleep_s=lane.sleep_s,
            ignore_counters=lane.is_blind,
            isolated=self._is_isolation,
        )
        self._deferred.reply(call, partial(self._answered, lane))

    def _answered(self, lane: Lane, claimed: Claimed | None, error: BaseException | None) -> None:
        lane.in_flight = False
        self._promised -= lane.promised
        lane.promised = 0
        self.eager_in_flight -= not lane.sleep_s
        if claimed is None:
            self._failed(lane, error)
            return
        lane.backoff.reset()
        lane.is_refused = False
        lane.is_outstanding = False
        lane.answered = now_s = _monotonic()
        self._page.contact()
        if claimed.status == "dead":
            self._is_dead()
            return
        if claimed.status == "old":
            logger.warning("partition {}: a later claim is on record", lane.partition)
            lane.leap()
        if lane.sleep_s and claimed.wake_ms:
            lane.sleeps_until = now_s + max(0.0, (claimed.wake_ms - claimed.now_ms) / 1000)
        if not claimed.claims:
            self._empty.inc()
        elif self._closed:
            for claim in claimed.claims:
                self._executor.hand_back(
                    lane.partition, claim.token, claim.id, claim.type, "drained"
                )
        else:
            self._found.inc()
            self._metrics.claimed.inc(len(claimed.claims))
            # One of them stands for all: the first, which waited longest.
            tokens = [claim.token for claim in claimed.claims]
            self._times.waited(claimed.now_ms, tokens, _ready_ms)
            waited_ms = claimed.now_ms - _ready_ms(tokens[0])
            pickup = self._metrics.pickups[_priority(tokens[0])]
            pickup.observe(max(0, waited_ms) / 1000)
            offset_ms = claimed.now_ms - now_s * 1000
            self._executor.start(lane.partition, claimed.claims, offset_ms)
        self._replied(lane, claimed)

    def _failed(self, lane: Lane, error: BaseException | None) -> None:
        """Repeat it, with the same call number: the tasks of a reply that got lost come with the next."""
        if self._closed:
            return
        if isinstance(error, BrokerUnavailable):
            self._metrics.broker_unavailable.labels("claim").inc()
            delay_s = lane.backoff.next_s()
        else:
            delay_s = REFUSED_RETRY_S
            if not lane.is_refused and not isinstance(error, PartitionPaused):
                logger.error("partition {} refuses claims: {}", lane.partition, error)
            lane.is_refused = True
        lane.timer = self._deferred.later(delay_s, partial(self._issue, lane))


def _priority(token: bytes) -> int:
    """The number of the priority at which the task of this token was ready."""
    return token[token.index(b":") + 1] - 48


def _ready_ms(token: bytes) -> int:
    """When the task of this token became ready: its entry id begins with Redis' time in ms."""
    _, _, entry = token.partition(b"/")
    return int(entry.partition(b"-")[0])
