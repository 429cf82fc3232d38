"""What the exporter tells of a host that no shard can tell by itself: read from the board at each scrape."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.clock import mono_ms
from shoal.model.identity import slot_label
from shoal.supervisor.board import Board

__all__ = ["HostCollector", "PageCollector"]


class PageCollector(Collector):
    """Gauges of the host's shards, read from their pages at each scrape."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """All of them, by shard."""
        label = ["shard"]
        up = GaugeMetricFamily("shoal_shard_up", "1 while the shard's process lives.", labels=label)
        able = GaugeMetricFamily(
            "shoal_shard_ready", "1 while the shard is able to claim.", labels=label
        )
        running = GaugeMetricFamily(
            "shoal_worker_running_tasks", "Tasks the shard runs now.", labels=label
        )
        capacity = GaugeMetricFamily(
            "shoal_worker_concurrency", "Tasks the shard may run at once.", labels=label
        )
        utilisation = GaugeMetricFamily(
            "shoal_worker_utilization_ratio",
            "Running tasks as a share of what the shard may run at once, 0 to 1.",
            labels=label,
        )
        restarts = CounterMetricFamily(
            "shoal_shard_restarts", "Times the shard was started again.", labels=label
        )
        now_ms = mono_ms()
        for index, page in self._board.pages():
            shard = [slot_label(index)]
            seen = page.snapshot(slots=False)
            is_up = seen.pid != 0
            busy = seen.running if is_up else 0
            up.add_metric(shard, is_up)
            able.add_metric(shard, seen.is_able_to_claim(now_ms))
            running.add_metric(shard, busy)
            capacity.add_metric(shard, seen.capacity)
            utilisation.add_metric(shard, min(busy / seen.capacity, 1.0))
            restarts.add_metric(shard, seen.restarts)
        yield from (up, able, running, capacity, utilisation, restarts)


class HostCollector(Collector):
    """Reloads, ends of shards and hand-backs of the host, since its supervisor started."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        board = self._board
        reloads = CounterMetricFamily(
            "shoal_config_reloads",
            "Reloads by what came of them: done; refused, nothing was replaced; stopped, a new shard "
            "could not start.",
            labels=["outcome"],
        )
        for outcome, count in board.reloads().items():
            reloads.add_metric([outcome], count)
        yield reloads
        last = board.last_reload
        yield GaugeMetricFamily(
            "shoal_config_last_reload_successful",
            "1 when the last reload was done, or there was none; else the settings are older than they look.",
            value=float(last.is_done),
        )
        yield GaugeMetricFamily(
            "shoal_config_last_reload_success_timestamp_seconds",
            "When the settings that hold were read, in Unix seconds.",
            value=last.done_ms / 1000,
        )
        exits = CounterMetricFamily(
            "shoal_shard_exits",
            "Shards that ended, by how: clean; failed, it could not start; killed, by a signal from "
            "outside; crashed, of its own or for what its supervisor killed it.",
            labels=["reason"],
        )
        for how, count in board.exits().items():
            exits.add_metric([how], count)
        yield exits
        yield CounterMetricFamily(
            "shoal_tasks_released",
            "Tasks of dead shards of this host that were handed back at once.",
            value=board.released_tasks,
        )
