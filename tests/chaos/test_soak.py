"""The soak for a short time with a fixed seed; ``python -m tests.chaos.soak`` runs it for longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.soak.run import Soak

#: How long faults are made, in seconds, and the seed.
SECONDS = float(os.environ.get("SHOAL_TEST_SOAK_S", "45"))
SEED = int(os.environ.get("SHOAL_TEST_SOAK_SEED", "4"))


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
async def test_faults_at_random(tmp_path: Path) -> None:
    """Whatever comes in whatever order: all that was accepted is counted all the time, and ends as it must."""
    soak = Soak(SECONDS, SEED, tmp_path)
    verdict = await soak.run()
    soak.keep(verdict)
    print("\n".join(soak.lines(verdict)))  # noqa: T201 - the measurement itself
    assert not verdict.wrong, "\n".join(soak.lines(verdict))
    assert soak.conserved > 0
    assert soak.recoveries
    # A group has its living shards, those that were handed back, and a few that nobody swept up yet.
    assert soak.gauges.most_consumers() < 40
