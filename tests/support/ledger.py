"""What handlers really did, written to a file outside Redis by whichever process did it."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEDGER_VARIABLE = "SHOAL_TEST_LEDGER"
"""Environment variable with the ledger's path, for handlers in child processes."""


@dataclass(frozen=True)
class Entry:
    """One line: something happened to a task in a process."""

    event: str
    task_id: str
    pid: int
    #: Wall clock, ms since 1970: to compare with due times.
    wall_ms: int
    #: The machine's monotonic clock in ns, the same in all processes: to compare with each other.
    monotonic_ns: int
    extra: dict[str, Any] = field(default_factory=dict)


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file that others append to: without a last one that is still being written.

    Appends wait for each other, but a reader may see a part of one.
    """
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1].splitlines()


class Ledger:
    """An append-only JSONL file. Every line is one ``write`` to an ``O_APPEND`` descriptor.

    Lines of different processes never mix, and survive a kill -9 of the writer. No descriptor
    is kept between two lines, so it can be used before and after a fork alike.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def from_environment(cls) -> "Ledger":
        """The ledger that the test named in ``SHOAL_TEST_LEDGER``."""
        return cls(Path(os.environ[LEDGER_VARIABLE]))

    def record(self, event: str, task_id: str, **extra: Any) -> None:
        """Append one line; ``start`` and ``finish`` are what the checker reads.

        Args:
            event: What happened.
            task_id: To which task.
            extra: More, as JSON; the checker reads ``attempt``.
        """
        line = {
            "event": event,
            "task_id": task_id,
            "pid": os.getpid(),
            "wall_ms": time.time_ns() // 1_000_000,
            "monotonic_ns": time.monotonic_ns(),
            **({"extra": extra} if extra else {}),
        }
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, json.dumps(line).encode() + b"\n")
        finally:
            os.close(fd)

    def read(self, event: str | None = None) -> list[Entry]:
        """All lines, or those of one event, in the order they were written."""
        if not self.path.exists():
            return []
        entries = (Entry(**json.loads(line)) for line in whole_lines(self.path))
        return [entry for entry in entries if event is None or entry.event == event]

    def task_ids(self, event: str) -> set[str]:
        """The tasks to which this happened at least once."""
        return {entry.task_id for entry in self.read(event)}
