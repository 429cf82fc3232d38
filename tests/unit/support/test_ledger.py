"""The ledger of what handlers did."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.support.ledger import LEDGER_VARIABLE, Ledger
from tests.support.processes import python

WRITER = """
import sys
from tests.support.ledger import Ledger
ledger = Ledger.from_environment()
for number in range(500):
    ledger.record("start", f"{sys.argv[1]}-{number}", attempt=2, padding="x" * 200)
"""


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    """A line has the event, the task, the process and both clocks."""
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.read() == []
    before = time.monotonic_ns()
    ledger.record("start", "a", attempt=3)
    ledger.record("finish", "a")
    start, finish = ledger.read()
    assert (start.event, start.task_id, start.pid, start.extra) == (
        "start",
        "a",
        os.getpid(),
        {"attempt": 3},
    )
    assert before <= start.monotonic_ns <= finish.monotonic_ns <= time.monotonic_ns()
    assert abs(start.wall_ms - time.time() * 1000) < 60_000
    assert ledger.read("finish") == [finish]
    assert ledger.task_ids("start") == {"a"}


def test_processes_may_write_at_once(tmp_path: Path) -> None:
    """Lines of several processes are all there and whole."""
    ledger = Ledger(tmp_path / "ledger")
    env = {LEDGER_VARIABLE: str(ledger.path)}
    with python("-c", WRITER, "a", env=env) as first, python("-c", WRITER, "b", env=env) as second:
        assert (first.wait(), second.wait()) == (0, 0), first.stderr + second.stderr
    assert ledger.task_ids("start") == {f"{name}-{n}" for name in "ab" for n in range(500)}
    assert len(ledger.read()) == 1000


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    """It is read once it is whole; a broken line in the middle stays an error."""
    ledger = Ledger(tmp_path / "ledger")
    ledger.record("start", "a")
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole + whole[:25])
    assert [entry.task_id for entry in ledger.read()] == ["a"]
    ledger.path.write_bytes(whole + whole)
    assert len(ledger.read()) == 2
    ledger.path.write_bytes(whole[:25] + b"\n" + whole)
    with pytest.raises(json.JSONDecodeError):
        ledger.read()


def test_ledger_of_the_environment_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler without the variable fails instead of writing somewhere."""
    monkeypatch.delenv(LEDGER_VARIABLE, raising=False)
    with pytest.raises(KeyError):
        Ledger.from_environment()
