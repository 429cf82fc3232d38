"""A schedule: what is submitted again and again, and which tick is which task."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from shoal.model.cron import Missed
from shoal.model.identity import checked, task_id
from shoal.model.partition import partition_of_key

#: At most so many schedules in a namespace.
MAX_SCHEDULES: Final = 1000
SCHEDULE_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_.:-]{0,127}$"
_SCHEDULE = re.compile(SCHEDULE_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """What a schedule is; kept in Redis as JSON."""

    id: str
    #: Five fields, checked.
    cron: str
    #: Name of a time zone.
    tz: str
    #: Of the tasks.
    type: str
    queue: str
    priority: int
    #: The tasks' spec: its header, and the payload's JSON.
    header: str
    payload: str
    missed: Missed
    #: How long an ended task of it is kept, in seconds; ``None`` = what holds for its type.
    retention_s: float | None = None
    #: ``code`` = declared by ``@app.cron``, ``operator`` = added at run time.
    source: str

    def tick_key(self, tick_ms: int) -> str:
        """What names one tick, and decides its partition."""
        return f"{self.id}@{tick_ms}"

    def tick_id(self, tick_ms: int, key_partitions: int) -> str:
        """The id of the task of a tick: whoever computes it gets the same, so the tick runs once."""
        key = self.tick_key(tick_ms)
        digest = hashlib.sha256(key.encode()).digest()
        bits = int.from_bytes(digest[:8], "big") >> 2
        return task_id(partition_of_key(key, key_partitions), tick_ms, bits)


def check_schedule_id(text: str) -> str:
    """Return a schedule's id as it came.

    Raises:
        ValueError: It does not match ``SCHEDULE_PATTERN``.
    """
    rule = "a letter, then at most 127 of A-Z a-z 0-9 _ . : -"
    return checked("schedule id", text, _SCHEDULE, rule)
