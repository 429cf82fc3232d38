"""The ledger while it grows: who runs what right now, and which runs were the first after a fault."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

from tests.support.ledger import Entry, Ledger

#: Beside the ledger; see ``hurry``.
HURRY_SUFFIX = ".hurry"


def hurry(ledger: Ledger) -> None:
    """From now on the task type ``work`` takes no time."""
    Path(f"{ledger.path}{HURRY_SUFFIX}").touch()


class LedgerTail:
    """Reads only what was appended since the last look, so that it can be asked often.

    Every question looks first.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._path = ledger.path
        self._offset = 0
        self._open: defaultdict[int, dict[str, Entry]] = defaultdict(dict)
        self._starts: defaultdict[str, list[Entry]] = defaultdict(list)
        self._all_starts: list[Entry] = []
        self._finishes: Counter[int] = Counter()

    def running(self, pid: int) -> frozenset[str]:
        """The tasks that a process has started and not finished."""
        self._look()
        return frozenset(self._open[pid])

    def has_started(self, task_id: str) -> bool:
        """Whether the task ever began to run."""
        self._look()
        return task_id in self._starts

    def forget(self, pid: int) -> None:
        """The process is dead: a later one may have its id."""
        self._open.pop(pid, None)

    @property
    def finishes(self) -> int:
        """How many runs have ended by themselves."""
        self._look()
        return self._finishes.total()

    def finished_by(self, pid: int) -> int:
        """How many runs a process has ended."""
        self._look()
        return self._finishes[pid]

    @property
    def starts(self) -> int:
        """How many runs have begun."""
        self._look()
        return len(self._all_starts)

    def first_starts_since(self, since_ns: int, tasks: frozenset[str]) -> dict[str, int]:
        """When each of these tasks that did so first started after a moment, in ns after it."""
        self._look()
        found = {}
        for task_id in tasks:
            later = [
                e.monotonic_ns for e in self._starts.get(task_id, ()) if e.monotonic_ns > since_ns
            ]
            if later:
                found[task_id] = min(later) - since_ns
        return found

    def first_start_by_pid_since(self, since_ns: int) -> dict[int, int]:
        """When each process first started something after a moment, in ns after it."""
        self._look()
        found: dict[int, int] = {}
        for entry in reversed(self._all_starts):
            if entry.monotonic_ns <= since_ns:
                continue
            found[entry.pid] = min(entry.monotonic_ns - since_ns, found.get(entry.pid, 1 << 62))
        return found

    def starts_since(self, since_ns: int) -> list[Entry]:
        """All runs that began after a moment."""
        self._look()
        return [entry for entry in self._all_starts if entry.monotonic_ns > since_ns]

    def _look(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        # A line is one write, but a kill -9 may cut even that short in theory.
        end = data.rfind(b"\n") + 1
        self._offset += end
        for line in data[:end].splitlines():
            entry = Entry(**json.loads(line))
            if entry.event == "start":
                self._open[entry.pid][entry.task_id] = entry
                self._starts[entry.task_id].append(entry)
                self._all_starts.append(entry)
            elif entry.event == "finish":
                self._open[entry.pid].pop(entry.task_id, None)
                self._finishes[entry.pid] += 1
