"""What follows the end of a shard."""

from __future__ import annotations

import signal

import pytest

from shoal.errors import ExitStatus
from shoal.lifecycle import EXIT_RECYCLED, EXIT_STAYS_DOWN
from shoal.supervisor.restart import Life
from shoal.supervisor.slot import Ending
from shoal.supervisor.verdict import End, Verdict, judge

CLEAN, STATUS_1, KILLED, SEGFAULT = (
    Ending(0),
    Ending(1 << 8),
    Ending(signal.SIGKILL),
    Ending(signal.SIGSEGV),
)
UNBORN = Life(was_ready=False, lived_s=0.1)
USEFUL = Life(was_ready=True, lived_s=5.0, processed=3)
USELESS = Life(was_ready=True, lived_s=0.1)
NO_REDIS = (int(ExitStatus.REDIS_UNREACHABLE), "away")
BAD_MODULE = (int(ExitStatus.MODULE_NOT_FOUND), "no module")


def _end(
    ending: Ending,
    life: Life,
    failure: tuple[int, str] | None = None,
    *,
    was_told: bool = False,
    is_rolling: bool = False,
) -> End:
    return End(ending, life, failure, was_told, is_rolling)


@pytest.mark.parametrize(
    ("end", "first", "later"),
    [
        # What ended, the verdict before any shard was ready, and after one was.
        (_end(STATUS_1, UNBORN, BAD_MODULE), Verdict.ABANDON, Verdict.REPLACE),
        (_end(STATUS_1, UNBORN, NO_REDIS), Verdict.ABANDON, Verdict.POSTPONE),
        (_end(STATUS_1, UNBORN), Verdict.ABANDON, Verdict.REPLACE),
        (_end(SEGFAULT, UNBORN), Verdict.ABANDON, Verdict.REPLACE),
        (_end(KILLED, UNBORN), Verdict.REPLACE, Verdict.REPLACE),
        (_end(KILLED, USEFUL), Verdict.REPLACE, Verdict.REPLACE),
        (_end(SEGFAULT, USEFUL), Verdict.REPLACE, Verdict.REPLACE),
        (_end(CLEAN, USEFUL), Verdict.SUCCEED, Verdict.SUCCEED),
        (_end(CLEAN, USELESS), Verdict.REPLACE, Verdict.REPLACE),
        (_end(CLEAN, UNBORN), Verdict.REPLACE, Verdict.REPLACE),
        (_end(CLEAN, USELESS, was_told=True), Verdict.NOTHING, Verdict.NOTHING),
        (_end(KILLED, USEFUL, was_told=True), Verdict.SPOILED, Verdict.SPOILED),
        (_end(KILLED, UNBORN, was_told=True), Verdict.NOTHING, Verdict.NOTHING),
        (_end(CLEAN, USELESS, was_told=True, is_rolling=True), Verdict.SUCCEED, Verdict.SUCCEED),
        (_end(KILLED, USEFUL, was_told=True, is_rolling=True), Verdict.SUCCEED, Verdict.SUCCEED),
    ],
)
def test_who_follows(end: End, first: Verdict, later: Verdict) -> None:
    """Each kind of end has its successor, and a host where nothing starts is given up."""
    assert judge(end, is_draining=False, is_burst=False, any_was_ready=False) is first
    assert judge(end, is_draining=False, is_burst=False, any_was_ready=True) is later


def test_a_shard_says_whether_it_wants_a_successor() -> None:
    """A recycled shard has one even in burst mode, one that shall be down has none."""
    recycled, down = Ending(EXIT_RECYCLED << 8), Ending(EXIT_STAYS_DOWN << 8)
    for is_burst in (False, True):
        for ending, verdict in ((recycled, Verdict.SUCCEED), (down, Verdict.NOTHING)):
            end = _end(ending, USEFUL)
            assert not end.is_lost
            got = judge(end, is_draining=False, is_burst=is_burst, any_was_ready=True)
            assert got is verdict


def test_nobody_follows_while_draining() -> None:
    """While the supervisor ends nothing is started again; a death then spoils its exit status."""
    assert (
        judge(
            _end(CLEAN, USEFUL, was_told=True), is_draining=True, is_burst=False, any_was_ready=True
        )
        is Verdict.NOTHING
    )
    assert (
        judge(_end(KILLED, USEFUL), is_draining=True, is_burst=False, any_was_ready=True)
        is Verdict.SPOILED
    )


def test_a_burst_shard_that_ends_well_has_no_successor() -> None:
    """With --burst exit 0 means that no work is left; a crash still brings a successor."""
    assert (
        judge(_end(CLEAN, USELESS), is_draining=False, is_burst=True, any_was_ready=True)
        is Verdict.NOTHING
    )
    assert (
        judge(_end(KILLED, USEFUL), is_draining=False, is_burst=True, any_was_ready=True)
        is Verdict.REPLACE
    )


@pytest.mark.parametrize(
    ("end", "is_lost"),
    [
        (_end(KILLED, USEFUL), True),
        (_end(STATUS_1, USEFUL, was_told=True), True),
        (_end(KILLED, UNBORN), True),
        (_end(CLEAN, USEFUL), False),
        (_end(STATUS_1, UNBORN, BAD_MODULE), False),
        (_end(KILLED, UNBORN, was_told=True), False),
    ],
)
def test_whose_tasks_must_be_handed_back(end: End, is_lost: bool) -> None:
    """Everything that may have claimed and did not end cleanly leaves tasks behind."""
    assert end.is_lost is is_lost


@pytest.mark.parametrize(
    ("ending", "text"),
    [(CLEAN, "exit status 0"), (STATUS_1, "exit status 1"), (KILLED, "killed by SIGKILL")],
)
def test_an_ending_reads_well(ending: Ending, text: str) -> None:
    """The log names signals, not numbers."""
    assert str(ending) == text
