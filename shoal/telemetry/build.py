"""Which build a process is: a metric that is always 1 and says it in labels."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import shoal

__all__ = ["BuildCollector"]


class BuildCollector(Collector):
    """The versions of Shoal and of Python."""

    def collect(self) -> Iterator[Metric]:
        """The one."""
        build = GaugeMetricFamily(
            "shoal_build_info",
            "Always 1; the versions of Shoal and of Python.",
            labels=["version", "python"],
        )
        build.add_metric([shoal.__version__, platform.python_version()], 1)
        yield build
