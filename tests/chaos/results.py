"""What each fault did, one JSON line a run, from which the table in docs/reliability.md is made."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

RESULTS_VARIABLE = "SHOAL_TEST_RESULTS"
"""Environment variable with the file that results are appended to; without it none are kept."""


def record(
    fault: str,
    server: str,
    *,
    tasks: int,
    lost: int = 0,
    doubled: int = 0,
    again: int = 0,
    recovery_s: Sequence[float] = (),
) -> None:
    """Append one run; call it when everything is proved.

    Args:
        fault: What was done, as the table is to call it.
        server: To which kind of server.
        tasks: How many were accepted.
        lost: Accepted, and neither there nor finished.
        doubled: With two results.
        again: Runs beyond a task's first that the fault caused.
        recovery_s: How long it took until work went on, for each time the fault was made.
    """
    path = os.environ.get(RESULTS_VARIABLE)
    line = {
        "fault": fault,
        "server": server,
        "tasks": tasks,
        "lost": lost,
        "doubled": doubled,
        "again": again,
        "recovery_s": [round(seconds, 3) for seconds in recovery_s],
    }
    text = json.dumps(line)
    print(text)  # noqa: T201 - the measurement itself
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
