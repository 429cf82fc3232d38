"""``python -m tests.chaos.soak --minutes 60 --seed 1``: status 0 when nothing was wrong, else 1."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path
from typing import get_args

from tests.chaos.soak.run import Soak
from tests.support.binaries import Kind


def main() -> int:
    """Run one soak and say what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults are made")
    parser.add_argument(
        "--seed", type=int, help="what decides on tasks and faults; default: random"
    )
    parser.add_argument("--server", choices=get_args(Kind), default="redis7")
    parser.add_argument("--keep", type=Path, help="keep the ledger in this folder")
    given = parser.parse_args()
    if given.minutes <= 0:
        parser.error("--minutes must be above 0")
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    print(f"soak: seed {seed}", flush=True)  # noqa: T201 - a program for people
    with tempfile.TemporaryDirectory(prefix="shoal-soak-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        soak = Soak(given.minutes * 60, seed, folder, given.server)
        verdict = asyncio.run(soak.run())
        soak.keep(verdict)
    print("\n".join(soak.lines(verdict)))  # noqa: T201 - a program for people
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
