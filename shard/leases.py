"""What the renewals tell, applied in the event loop: what is lost, cancelled, or not known here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger

from shoal.broker.results import Renewed, UnknownClaim
from shoal.shard.outcome import Stop

if TYPE_CHECKING:
    from shoal.shard.executor import Executor
    from shoal.shard.ledger import Ledger
    from shoal.telemetry.metrics import Metrics


class Leases:
    """Acts on the replies to renewals of one incarnation.

    Args:
        ledger: What is held.
        executor: Stops what must not go on, and hands back what is not known.
        is_claiming: Whether a claim of a partition is outstanding.
        is_dead: Called when the broker says that this incarnation was released.
        metrics: Counts what was lost.
    """

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        *,
        is_claiming: Callable[[int], bool],
        is_dead: Callable[[], None],
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._is_claiming = is_claiming
        self._is_dead = is_dead
        self._metrics = metrics
        self._suspects: dict[int, set[bytes]] = {}

    def learned(self, replies: dict[int, Renewed]) -> None:
        """One round of renewals was answered."""
        for partition, reply in replies.items():
            if reply.status == "dead":
                self._is_dead()
                return
            for token in reply.lost:
                self._lost(partition, token)
            for token in reply.cancel_requested:
                held = self._ledger.get(partition, token)
                if held is not None:
                    self._executor.stop(held, Stop.CANCEL)
            self._not_known(partition, reply.unknown)

    def _lost(self, partition: int, token: bytes) -> None:
        held = self._ledger.get(partition, token)
        # What has ended is as good as settled: its outcome is on its way, and the answer will tell.
        if held is None or held.has_ended or held.stop is Stop.LOST:
            return
        logger.bind(task=held.id.decode()).warning("another worker has taken this task over")
        self._metrics.leases_lost.inc()
        self._executor.stop(held, Stop.LOST)

    def _not_known(self, partition: int, claims: list[UnknownClaim]) -> None:
        """Hand back what is pending under this shard's name without being held here.

        A claim under way may be what brings it. And the renewal may have looked before an outcome
        was recorded that is recorded now: so only what is not known twice running goes back.
        """
        if self._is_claiming(partition):
            self._suspects.pop(partition, None)
            return
        strangers = [c for c in claims if self._ledger.get(partition, c.token) is None]
        suspected = self._suspects.get(partition, set())
        self._suspects[partition] = {claim.token for claim in strangers}
        for claim in strangers:
            if claim.token in suspected:
                logger.bind(task=claim.id.decode()).warning(
                    "a task is pending here that nothing runs: it is handed back"
                )
                self._executor.hand_back(partition, claim.token, claim.id, claim.type, "unknown")
