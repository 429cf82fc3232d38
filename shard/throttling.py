"""Throttles one shard: asks :mod:`shoal.shard.throttle`, does what it says, and lets it be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger

from shoal.shard.throttle import CPU, MEMORY, REASONS, Limits, Sample, Throttled, decide

if TYPE_CHECKING:
    from shoal.telemetry.metrics import Metrics


class Throttling:
    """What a shard is throttled by now. All of it in the event loop.

    Args:
        limits: When to throttle.
        hold_back: Called with the tasks the shard may run at once, whenever that changes.
        metrics: Says by what this host's shards are throttled.
    """

    def __init__(
        self, limits: Limits, *, hold_back: Callable[[int], None], metrics: Metrics
    ) -> None:
        self._limits = limits
        self._hold_back = hold_back
        self._now = Throttled()
        self._gauges = {reason: metrics.throttled.labels(reason) for reason in REASONS}
        self._show(())

    @property
    def why(self) -> tuple[str, ...]:
        """By what it is throttled; empty = by nothing."""
        return self._now.why

    @property
    def is_shut(self) -> bool:
        """Whether it may claim nothing."""
        return self._now.tasks(self._limits.concurrency) == 0

    def observe(self, sample: Sample) -> None:
        """One more sample; about one a second."""
        before, self._now = self._now, decide(self._limits, self._now, sample)
        concurrency = self._limits.concurrency
        if self._now.left != before.left:
            self._hold_back(self._now.tasks(concurrency))
        if self._now.why == before.why:
            return
        for reason in self._now.why:
            if reason not in before.why:
                logger.warning(
                    "throttled by {}: {}; at most {} of {} tasks at once",
                    reason,
                    self._measured(reason, sample),
                    self._now.tasks(concurrency),
                    concurrency,
                )
        for reason in before.why:
            if reason not in self._now.why:
                logger.info("no longer throttled by {}", reason)
        self._show(self._now.why)

    def close(self) -> None:
        """The shard ends: what it leaves in the metrics is not about anybody any more."""
        self._show(())

    def _show(self, why: tuple[str, ...]) -> None:
        for reason, gauge in self._gauges.items():
            gauge.set(reason in why)

    def _measured(self, reason: str, sample: Sample) -> str:
        limits = self._limits
        if reason == MEMORY and limits.memory is not None:
            return f"{sample.memory / 2**20:.0f} MiB, above {limits.memory[0] / 2**20:.0f} MiB"
        if reason == CPU and limits.cpu is not None:
            return f"{sample.cpu:.0%} of the CPU time is used, above {limits.cpu:.0%}"
        return f"Redis took {sample.latency_s * 1000:.0f} ms, above {limits.latency_s * 1000:g} ms"
