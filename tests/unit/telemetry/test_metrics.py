"""Metrics: defined once, bounded, shared by slot, continued over restarts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from shoal.telemetry import metrics
from shoal.telemetry.histogram import add_observations
from shoal.telemetry.meter import TaskMeter


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The library's global choice of where values live, and ours, as they were."""
    value_class, own = values.ValueClass, metrics._State.metrics
    yield
    values.ValueClass, metrics._State.metrics = value_class, own
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)


def _sample(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_every_metric_has_a_help_text_and_the_prefix() -> None:
    """All metrics are called shoal_… and say what they mean in a sentence."""
    families = list(metrics.configure(None).registry.collect())
    assert len(families) >= 10
    for family in families:
        assert family.name.startswith("shoal_")
        assert family.documentation.endswith(".")


def test_types_beyond_the_bound_share_one_label() -> None:
    """However many types are submitted, labels stay few."""
    label = metrics.TypeLabels(2)
    got = [label(b"type%d" % i) for i in range(100)]
    assert got == ["type0", "type1"] + ["other"] * 98
    assert label(b"type1") == "type1"


def test_a_process_without_a_directory_counts_for_itself() -> None:
    """In-process metrics work at once, without configuration, and leave no files."""
    metrics._State.metrics = None
    own = metrics.current()
    own.claimed.inc(3)
    assert metrics.current() is own
    assert _sample(own.registry, "shoal_tasks_claimed_total") == 3.0
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


_LIFE = """
import sys
from shoal.telemetry import metrics
from shoal.telemetry.meter import TaskMeter
meter = TaskMeter(metrics.configure(sys.argv[1], sys.argv[2]))
meter.ended(b"email.send", "COMPLETED", 0.02)
meter.flush(now=True)
"""


def test_a_restarted_slot_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Lives of two slots one after another: totals add up, and the number of files is constant."""
    counted = []
    for _life in range(4):
        for slot in ("0", "1"):
            subprocess.run([sys.executable, "-c", _LIFE, tmp_path, slot], check=True)
        counted.append(len(list(tmp_path.iterdir())))
    assert counted[0] == counted[-1]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))  # type: ignore[no-untyped-call]
    labels = {"type": "email.send", "status": "COMPLETED"}
    assert _sample(registry, "shoal_tasks_completed_total", **labels) == 8.0
    count = _sample(registry, "shoal_task_duration_seconds_count", type="email.send")
    assert count == 8.0


def test_observations_added_at_once_are_the_same_as_observed_one_by_one() -> None:
    """The one place that reaches behind the library's API agrees with its own ``observe``."""
    bounds = metrics.DURATION_BUCKETS_S
    amounts = [0.0, 0.001, 0.0011, 0.03, 1.0, 299.9, 300.0, 300.1, 1e6]
    slow_registry, fast_registry = CollectorRegistry(), CollectorRegistry()
    slow = Histogram("x_seconds", "X.", ["type"], buckets=bounds, registry=slow_registry)
    fast = Histogram("x_seconds", "X.", ["type"], buckets=bounds, registry=fast_registry)
    counts = Counter[int]()
    for amount in amounts:
        slow.labels("t").observe(amount)
        counts[next((i for i, b in enumerate(bounds) if amount <= b), len(bounds))] += 1
    add_observations(fast.labels("t"), counts, sum(amounts))

    def text(registry: CollectorRegistry) -> list[str]:
        lines = generate_latest(registry).decode().splitlines()
        return [line for line in lines if "_created" not in line]

    assert text(fast_registry) == text(slow_registry)
    with pytest.raises(IndexError):
        add_observations(fast.labels("t"), {0: 1, len(bounds) + 1: 1}, 3.0)
    assert text(fast_registry) == text(slow_registry)


class TestTaskMeter:
    """Counting on the hot path."""

    def test_what_ended_is_handed_over_at_most_once_a_second(self) -> None:
        """Nothing reaches Prometheus before a second has passed, then everything does, once."""
        now = [100.0]
        own = metrics.configure(None)
        meter = TaskMeter(own, clock_s=lambda: now[0])
        for seconds in (0.0005, 0.02, 1000.0):
            meter.ended(b"a", "COMPLETED", seconds)
        meter.ended(b"a", "DEAD", 0.02)
        meter.retried(b"b")
        now[0] = 100.9
        assert not meter.flush()
        completed = {"type": "a", "status": "COMPLETED"}
        assert _sample(own.registry, "shoal_tasks_completed_total", **completed) is None
        now[0] = 101.0
        assert meter.flush()
        assert not meter.flush()
        assert meter.flush(now=True)
        assert _sample(own.registry, "shoal_tasks_completed_total", **completed) == 3.0
        assert _sample(own.registry, "shoal_tasks_completed_total", type="a", status="DEAD") == 1.0
        assert _sample(own.registry, "shoal_task_retries_total", type="b") == 1.0
        buckets = {
            le: _sample(own.registry, "shoal_task_duration_seconds_bucket", type="a", le=le)
            for le in ("0.001", "0.01", "0.025", "300.0", "+Inf")
        }
        assert buckets == {"0.001": 1, "0.01": 1, "0.025": 3, "300.0": 3, "+Inf": 4}
        total = _sample(own.registry, "shoal_task_duration_seconds_sum", type="a")
        assert total == pytest.approx(1000.0405)

    def test_a_boundary_belongs_to_its_bucket(self) -> None:
        """A duration equal to an upper bound counts below it, as Prometheus defines it."""
        own = metrics.configure(None)
        meter = TaskMeter(own)
        meter.ended(b"a", "COMPLETED", 0.001)
        meter.flush(now=True)
        got = _sample(own.registry, "shoal_task_duration_seconds_bucket", type="a", le="0.001")
        assert got == 1.0

    def test_a_flood_of_types_costs_nothing(self) -> None:
        """Types beyond the bound are counted together, and none of them is remembered."""
        own = metrics.configure(None, max_types=2)
        meter = TaskMeter(own)
        for i in range(1000):
            meter.ended(b"type%d" % i, "COMPLETED", 0.01)
        meter.retried(b"yet.another")
        meter.flush(now=True)
        counted = {
            kind: _sample(
                own.registry, "shoal_tasks_completed_total", type=kind, status="COMPLETED"
            )
            for kind in ("type0", "type1", "other", "type2")
        }
        assert counted == {"type0": 1.0, "type1": 1.0, "other": 998.0, "type2": None}
        assert _sample(own.registry, "shoal_task_retries_total", type="other") == 1.0
        assert len(meter._rows) == 3
