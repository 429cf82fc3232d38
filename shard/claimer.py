"""The shard's loop: when to claim, how much, and from which partition.

It is driven by what happens (a slot became free, a reply came, a wake-up) and never waits; between
two happenings there is one timer at most. Every happening ends in ``consider``.

Under backlog one partition is asked for all free slots. Without, all are asked in one round trip,
and the shard stands as a sleeper in each, so that whoever makes a task ready there wakes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Final

from shoal.broker.results import Claimed, Depths
from shoal.errors import ShoalError
from shoal.shard import depths
from shoal.shard.claims import Claims
from shoal.shard.due import DueTimes
from shoal.shard.errands import Errands
from shoal.shard.handed_back import HandedBack
from shoal.shard.lane import Lane, Stay

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.shard.deferred import Deferred
    from shoal.shard.ledger import Ledger
    from shoal.shard.slice import Slice

#: A claim goes out at the latest this long after a slot became free, in seconds.
HURRY_S: Final = 0.002
#: The net below all wake-ups: each partition is asked at least this often, in seconds.
POLL_S: Final = 1.0
#: How long this worker stands as a sleeper; longer than a poll, so that there is no gap.
SLEEP_S: Final = 1.5
#: No claim while more outcomes than this many times the concurrency are unanswered.
UNANSWERED_FACTOR: Final = 2
#: With more partitions than this a sleeper stands only in its slice and in a sample of this many.
SLEEP_EVERYWHERE: Final = 16

_monotonic = time.monotonic


class Claimer:
    """Decides on the claims of one incarnation. All of it runs on the event loop.

    Args:
        broker: Asked for depths, and to wake others.
        ledger: Says how many slots are free and how much is unanswered.
        slice: The partitions this shard serves first.
        queues: What this worker serves; empty = all.
        is_weighted: Priorities have shares of each partition, so none draws this shard to another.
        deferred: Considers again in the next turn, or in time.
        rng: Draws where to begin, and the jitter of polls.
        reads_depths: Whether to read depths beside claims, which tell of ordinary work only.
        claims: Makes what sends them, given whom to tell of replies.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        ledger: Ledger,
        slice: Slice,
        queues: tuple[str, ...],
        is_weighted: bool,
        deferred: Deferred,
        rng: Random,
        reads_depths: bool = True,
        claims: Callable[[Callable[[Lane, Claimed], None]], Claims],
    ) -> None:
        self._ledger = ledger
        self._slice = slice
        self._rng = rng
        self._reads_depths = reads_depths
        self._claims = claims(self._replied)
        self._lanes = self._claims.lanes
        self._deferred = deferred
        count = len(self._lanes)
        self._ranks = [-1] * count
        self._rank = depths.any_rank if is_weighted else depths.rank
        self._highest_rank = 0 if is_weighted else 3
        self._oldest_ms = [0] * count
        self._stay = Stay()
        self._handed_back = HandedBack()
        self._due = DueTimes(deferred, self._promote)
        self._eager_claims = 0
        self._turn = rng.randrange(count)
        self._blind_turn = rng.randrange(count)
        self._depths_at = 0.0
        self._all_depths_at = 0.0
        self._quarter = -(-ledger.concurrency // 4)
        self._most_unanswered = UNANSWERED_FACTOR * ledger.concurrency
        self._hungry_since: float | None = 0.0
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._has_begun = False
        self._is_closed = False
        self._is_paused = False
        #: Depths and wake-ups; its owner runs it.
        self.errands = Errands(broker, queues, self._learned, self.consider)

    # -- what happens ------------------------------------------------------------------------------

    def slot_freed(self) -> None:
        """A handler has ended. Called for each task, so it does next to nothing."""
        if not self._is_due:
            self._is_due = True
            if self._hungry_since is None:
                self._hungry_since = _monotonic()
            self._deferred.soon(self.consider)

    def answered(self) -> None:
        """Outcomes were recorded: a claim that waited for that may go."""
        if not self._is_due:
            self._is_due = True
            self._deferred.soon(self.consider)

    def woken(self, partition: int, queue: str, hops: int) -> None:
        """A task became ready in ``partition``, and of all sleepers this one was told."""
        lane = self._lanes[partition]
        lane.sleeps_until = 0.0
        if self._is_closed or self._is_paused:
            self.errands.pass_on(partition, queue, hops)
            return
        free = self._claims.free
        may_claim = self._has_begun and not lane.is_outstanding and self._is_answered_enough()
        if may_claim and free > 0:
            # Half of the slots: the next wake-up may come from another partition.
            self._claims.send(lane, (free + 1) // 2, SLEEP_S)
            return
        lane.pending_wake = (queue, hops)
        if not lane.is_outstanding:
            self._note_work(partition, 0)
        self.consider()

    def urgent(self, partition: int, priority: int) -> None:
        """Urgent work appeared where there was none, and too few slept there: claim there next."""
        # One that runs nothing sleeps there afterwards, or the next such task is told to all again.
        self._lanes[partition].is_summoned = self._ledger.running == 0
        self._note_work(partition, priority)
        self.consider()

    def handed_back(self, partition: int, tasks: int) -> None:
        """So many tasks of another worker went back there: they go before all backlogs."""
        self._handed_back.heard(partition, tasks, _monotonic())
        self._note_work(partition, 0)
        self.consider()

    async def begin(self) -> None:
        """Claim for the first time: what the one it replaces was running comes before any backlog."""
        if self._reads_depths:
            with contextlib.suppress(ShoalError):
                await self.errands.read_depths(range(len(self._lanes)))
        self._has_begun = True
        self.poll()

    def poll(self, partition: int | None = None) -> None:
        """Ask this partition, or all of them, as soon as can be: something may have been missed."""
        for lane in self._lanes if partition is None else (self._lanes[partition],):
            lane.sleeps_until = lane.asked_at = 0.0
        self.consider()

    def pause(self, *, is_paused: bool) -> None:
        """Claim nothing, or go on; what runs goes on either way."""
        if is_paused != self._is_paused:
            self._is_paused = is_paused
            self.poll()

    def withhold(self, slots: int) -> None:
        """Leave so many slots free from now on; what runs in them ends first."""
        self._claims.withheld = slots
        self.poll()

    def close(self) -> None:
        """Claim nothing more. What outstanding claims still bring is handed back."""
        self._is_closed = True
        self._claims.close()
        self._due.close()
        if self._timer is not None:
            self._timer.cancel()
        self._give_wakes_away()

    def is_claiming(self, partition: int) -> bool:
        """Whether a claim of this partition is outstanding."""
        return self._lanes[partition].is_outstanding

    @property
    def is_quiet(self) -> bool:
        """Whether no reply to a claim is still to come."""
        return not any(lane.in_flight for lane in self._lanes)

    def has_found_nothing_since(self, at_s: float) -> bool:
        """Whether every partition has answered a claim sent after ``at_s``, and none told of work."""
        return max(self._ranks) < 0 and all(
            lane.asked_at > at_s and not lane.is_outstanding for lane in self._lanes
        )

    # -- deciding ----------------------------------------------------------------------------------

    def consider(self) -> None:
        """Claim, if this is the time to; else make sure that it will be considered again."""
        self._is_due = False
        if (
            not self._has_begun
            or self._is_closed
            or self._is_paused
            or not self._is_answered_enough()
        ):
            return
        free = self._claims.free
        if free <= 0:
            if self._claims.promised == 0:
                self._give_wakes_away()
            return
        now_s = _monotonic()
        if free < self._quarter:
            since = self._hungry_since
            if since is None:
                since = self._hungry_since = now_s
            # The loop's clock counts whole milliseconds, so a timer may come a little early.
            if now_s - since < HURRY_S - 0.0005:
                self._consider_at(since + HURRY_S, now_s)
                return
        if max(self._ranks) >= 0:
            self._claim_from_one(free, now_s)
        else:
            self._claim_everywhere(free, now_s)

    def _promote(self, lane: Lane) -> None:
        """Something is due there, and this shard may be busy elsewhere: have it made ready."""
        if not self._is_closed and not lane.is_outstanding and not lane.sleeps_until:
            self._claims.send(lane, 0)

    def _is_answered_enough(self) -> bool:
        return self._ledger.unanswered <= self._most_unanswered

    def _is_free(self, partition: int) -> bool:
        return not self._lanes[partition].is_outstanding

    def _claim_from_one(self, free: int, now_s: float) -> None:
        """There is a backlog: ask one partition for all free slots."""
        if self._claims.eager_in_flight:
            return  # its reply leads back here
        if now_s - self._depths_at > depths.believed_s(self._slice.live):
            self._want_depths(now_s)
        if self._handed_back:
            first = self._handed_back.next(self._ranks, self._is_free, now_s)
            if first is not None:
                self._hungry_since = None
                self._claims.send(self._lanes[first[0]], min(free, first[1]))
                return
        partition, is_blind = self._next_partition(now_s)
        if partition is None:
            # All that has work is waiting for Redis.
            self._claim_everywhere(free, now_s)
            return
        lane = self._lanes[partition]
        self._hungry_since = None
        sleeps = lane.pending_wake is not None or lane.is_summoned
        self._claims.send(lane, free, SLEEP_S if sleeps else 0.0, is_blind=is_blind)

    def _want_depths(self, now_s: float) -> None:
        """Have depths read that may change the choice: of the slice, and sometimes of all.

        Urgent work elsewhere is announced by its channel, and only that would make a shard leave its
        slice; so the others are read for what an announcement that got lost would have said.
        """
        self._depths_at = now_s
        if not self._reads_depths:
            return
        if now_s - self._all_depths_at > depths.ALL_BELIEVED_S:
            self._all_depths_at = now_s
            wanted: Iterable[int] = range(len(self._lanes))
        else:
            wanted = self._slice.own
        self.errands.want_depths(p for p in wanted if p != self._stay.partition)

    def _next_partition(self, now_s: float) -> tuple[int | None, bool]:
        """Which one, and whether to ask it without trusting its counters."""
        self._eager_claims += 1
        if self._eager_claims % depths.BLIND_EVERY == 0:
            self._blind_turn = (self._blind_turn + 1) % len(self._lanes)
            if self._is_free(self._blind_turn):
                return self._blind_turn, True
        if self._eager_claims % depths.OLDEST_EVERY == 0:
            partition = depths.oldest(self._ranks, self._oldest_ms, self._is_free)
            if partition is not None:
                return partition, False
        partition = depths.choose(
            self._ranks,
            self._slice.own,
            self._stay.partition,
            may_stay=self._stay.may_go_on(now_s),
            is_free=self._is_free,
        )
        if partition is not None:
            self._stay.claim(partition, now_s)
        return partition, False

    def _claim_everywhere(self, free: int, now_s: float) -> None:
        """Ask all that this worker does not sleep in, in one round trip, and sleep in them."""
        asked = [
            lane
            for lane in self._lanes
            if not lane.is_outstanding
            and (lane.sleeps_until <= now_s or now_s - lane.asked_at >= POLL_S)
        ]
        if asked:
            self._turn += 1
            beds = self._sleeping_places()
            wants = depths.divide(free, len(asked), self._turn)
            for lane, want in zip(asked, wants, strict=True):
                sleep_s = SLEEP_S if lane.partition in beds else 0.0
                if want or sleep_s:
                    self._claims.send(lane, want, sleep_s, is_blind=True)
            self._hungry_since = None
        soonest = now_s + POLL_S
        for lane in self._lanes:
            if not lane.is_outstanding:
                again = lane.asked_at + POLL_S
                if lane.sleeps_until:
                    again = min(again, lane.sleeps_until)
                soonest = min(soonest, again)
        # Late by a little, so that workers which started together do not poll together for ever.
        self._consider_at(max(soonest, now_s) + self._rng.uniform(0.001, 0.02), now_s)

    def _sleeping_places(self) -> range | set[int]:
        count = len(self._lanes)
        if count <= SLEEP_EVERYWHERE:
            return range(count)
        return {*self._slice.own, *self._rng.sample(range(count), SLEEP_EVERYWHERE)}

    def _consider_at(self, at_s: float, now_s: float) -> None:
        """Consider again at this time, unless a timer is set for sooner."""
        if self._timer is not None:
            if now_s < self._timer_at <= at_s:
                return
            self._timer.cancel()
        self._timer_at = at_s
        self._timer = self._deferred.later(at_s - now_s, self._consider_in_time)

    def _consider_in_time(self) -> None:
        self._timer = None
        self.consider()

    # -- what replies tell -------------------------------------------------------------------------

    def _replied(self, lane: Lane, claimed: Claimed) -> None:
        partition = lane.partition
        # Nothing found means nothing there, whatever a counter says: no claim may be sent in a circle.
        found_nothing = lane.want > 0 and not claimed.claims
        self._ranks[partition] = -1 if found_nothing else self._rank(claimed.depths)
        self._oldest_ms[partition] = claimed.oldest_ms
        is_full = 0 < lane.want <= len(claimed.claims)
        if self._handed_back:
            self._handed_back.claimed(partition, len(claimed.claims), is_full=is_full)
        self._stay.reply(partition, is_full=is_full)
        if lane.want == 0 and self._ranks[partition] >= 0:
            # What became due there has its turn next among equals.
            self._stay.end()
        if lane.pending_wake is not None:
            # It came while the claim was under way, which may have looked before there was something.
            lane.sleeps_until = 0.0
            self._note_work(partition, 0)
        if not self._is_due:
            self._is_due = True
            self._deferred.soon(self.consider)

    def _note_work(self, partition: int, priority: int) -> None:
        self._ranks[partition] = max(self._ranks[partition], min(priority, self._highest_rank))

    def _give_wakes_away(self) -> None:
        """No slot is free for what this worker was woken for."""
        for lane in self._lanes:
            if lane.pending_wake is not None:
                queue, hops = lane.pending_wake
                lane.pending_wake = None
                self.errands.pass_on(lane.partition, queue, hops)

    def _learned(self, partition: int, read: Depths) -> None:
        """Depths were read; what a claim in flight takes is not known yet."""
        lane = self._lanes[partition]
        if not lane.is_outstanding:
            now_s = _monotonic()
            self._ranks[partition] = self._rank(read.depths)
            self._handed_back.read(partition, read.returned, now_s)
            self._due.read(lane, read.due_in_ms, now_s)
