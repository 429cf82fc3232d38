"""How much of each fault: what CI has time for, or the sizes of the published figures."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

RECORD_VARIABLE = "SHOAL_TEST_RECORD"
"""Environment variable; with ``1`` the chaos tests have the sizes that docs/reliability.md speaks of."""

IS_RECORD = os.environ.get(RECORD_VARIABLE) == "1"


def size(in_ci: T, on_record: T) -> T:
    """The size for this run."""
    return on_record if IS_RECORD else in_ci
