"""What the workers say about themselves: counters of their host's Prometheus exporter."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from loadtest.figures import Figure

TIMEOUT_S: Final = 10.0


class ClaimCalls(NamedTuple):
    """Claim calls answered by all shards of a host, by whether they brought tasks."""

    found: float
    empty: float

    def per_task(self, before: ClaimCalls, tasks: int) -> dict[str, Figure]:
        """What came since an earlier reading; polls of the idle are among the empty ones."""
        found, empty = self.found - before.found, self.empty - before.empty
        return {
            "claims_per_task": round((found + empty) / max(tasks, 1), 3),
            "empty_claims_per_task": round(empty / max(tasks, 1), 3),
        }


def claim_calls(port: str) -> ClaimCalls:
    """Read the counters, as they stand in the exporter.

    Args:
        port: ``SHOAL_METRICS_PORT`` of the workers.
    """
    url = f"http://127.0.0.1:{port}/metrics"
    with urlopen(url, timeout=TIMEOUT_S) as reply:
        return parse_claim_calls(reply.read().decode())


def parse_claim_calls(text: str) -> ClaimCalls:
    """The same from the text of a scrape; a result that never occurred is 0."""
    found = {"found": 0.0, "empty": 0.0}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "shoal_claims_total":
                found[sample.labels["result"]] = sample.value
    return ClaimCalls(**found)
