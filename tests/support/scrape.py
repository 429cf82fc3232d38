"""Reads what Prometheus would read."""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """The samples of one answer.

    Args:
        text: The answer.
    """

    def __init__(self, text: str) -> None:
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]
        keys = [(sample.name, *sorted(sample.labels.items())) for sample in self.samples]
        assert len(keys) == len(set(keys)), "a sample is told twice"

    def sum(self, name: str, **labels: str) -> float:
        """All samples of this name that have these labels, added up."""
        return sum(self.values(name, **labels))

    def values(self, name: str, **labels: str) -> list[float]:
        """Each of them; none when there is none."""
        return [
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]


def scrape(port: int) -> Scraped:
    """What a worker host on this machine tells."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return Scraped(answer.read().decode())
