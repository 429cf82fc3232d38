"""Notices a shard whose renew thread has fallen silent, before its leases pass.

That thread needs no event loop, only the interpreter. When it is silent while the process lives,
some C code holds the interpreter's lock, or the process was stopped: its leases will pass, and
others will run its tasks. So its stacks are written to the log, and it is replaced.
"""

from __future__ import annotations

import signal
from enum import Enum

from shoal.config import Settings
from shoal.supervisor.child import DUMP_SIGNAL
from shoal.supervisor.processes import is_stopped, memory_of, send
from shoal.supervisor.slot import Phase, Slot
from shoal.telemetry.logs import logger

__all__ = ["DUMP_S", "Step", "Watch"]

#: How much of the lease may pass in silence.
_SHARE_OF_LEASE = 0.6
#: The same where a short lease leaves little time beside a slow Redis.
_MOST_OF_LEASE = 0.9
#: A shard ends by itself at its limit of memory; at so many times that it is killed: it could not.
_MEMORY_FACTOR = 1.5
#: How long the stacks may take to be written, in seconds.
DUMP_S = 0.3
#: When the watch itself was not called for this long, it can't judge others, in seconds.
_BLIND_S = 3.0


class Step(Enum):
    """What to do with a shard."""

    NOTHING = "nothing"
    #: Ask it for its stacks.
    DUMP = "dump"
    #: Kill it.
    KILL = "kill"


class Watch:
    """Judges shards by their pages; call it about once a second."""

    def __init__(self, settings: Settings) -> None:
        # A renew that waits for a slow Redis is no silence, however short the lease is.
        patience_s = 2 * settings.redis.timeout_s + 1.0
        lease_s = settings.worker.lease_s
        #: How long a shard may be silent, in seconds.
        self.silence_s = min(max(lease_s * _SHARE_OF_LEASE, patience_s), lease_s * _MOST_OF_LEASE)
        self._most_bytes: float | None = None
        self.adopt(settings)
        self._looked_s = 0.0
        self._fair_from_s = 0.0

    def adopt(self, settings: Settings) -> None:
        """All shards have these settings now."""
        limit = settings.worker.max_memory_per_shard
        self._most_bytes = None if limit is None else limit * _MEMORY_FACTOR

    def look(self, now_s: float) -> None:
        """A round begins. After a pause of the supervisor itself, everybody gets a new start."""
        if now_s - self._looked_s > _BLIND_S:
            self._fair_from_s = now_s
        self._looked_s = now_s

    def judge(self, slot: Slot, now_s: float) -> Step:
        """What to do with this slot's process now; a dump is noted in ``dumped_s``."""
        if slot.phase is not Phase.READY:
            return Step.NOTHING
        if self.silent_s(slot, now_s) < self.silence_s:
            slot.dumped_s = None
            return Step.NOTHING
        if slot.dumped_s is None:
            return Step.DUMP
        return Step.KILL if now_s - slot.dumped_s >= DUMP_S else Step.NOTHING

    def enforce(self, slot: Slot, now_s: float) -> None:
        """Do with this slot's process what :meth:`judge` says, and end one that takes far too much memory."""
        if self._most_bytes is not None and memory_of(slot.pid) > self._most_bytes:
            logger.error(
                "shard {} takes more than {:g} times SHOAL_MAX_MEMORY_PER_SHARD: killed ({})",
                slot.label,
                _MEMORY_FACTOR,
                slot.incarnation,
            )
            slot.killed_for = "beyond its memory limit, and killed by its supervisor"
            send(slot.pid, signal.SIGKILL)
            return
        step = self.judge(slot, now_s)
        if step is Step.DUMP:
            slot.dumped_s = now_s
            logger.error(
                "shard {} has been silent for {:.1f} s: some code holds the interpreter, or it was"
                " stopped; its stacks follow, then it is replaced ({})",
                slot.label,
                self.silent_s(slot, now_s),
                slot.incarnation,
            )
            send(slot.pid, DUMP_SIGNAL)
        elif step is Step.KILL:
            # One that somebody stopped is silent by no fault of what it runs.
            if not is_stopped(slot.pid):
                slot.killed_for = "silent, and killed by its supervisor"
            send(slot.pid, signal.SIGKILL)

    def silent_s(self, slot: Slot, now_s: float) -> float:
        """For how long the slot's renew thread has been silent, in seconds."""
        heard_s = max(slot.page.tick_ms / 1000, slot.ready_s, self._fair_from_s)
        return now_s - heard_s
