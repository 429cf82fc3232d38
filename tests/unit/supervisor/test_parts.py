"""The supervisor's small parts: rolling, watch, fleet, board, cores, systemd, child names."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from shoal.config import Settings
from shoal.page import Page
from shoal.supervisor import child
from shoal.supervisor.board import Board
from shoal.supervisor.cores import default_shards, usable_cores
from shoal.supervisor.fleet import Fleet
from shoal.supervisor.notify import Notifier
from shoal.supervisor.rolling import Rolling
from shoal.supervisor.signals import SignalPipe
from shoal.supervisor.slot import Phase, Report, Slot
from shoal.supervisor.watch import Step, Watch


def _ready_slot(index: int, pid: int, now_ms: int = 0) -> Slot:
    slot = Slot(index, Page.create(1, clock_ms=lambda: now_ms))
    slot.pid, slot.phase = pid, Phase.READY
    return slot


class TestRolling:
    """One by one."""

    def test_the_next_goes_only_when_the_successor_is_ready(self) -> None:
        """The second shard is told only after the first one's successor can claim."""
        first, second = _ready_slot(0, 100), _ready_slot(1, 101)
        rolling = Rolling()
        rolling.begin([first, second])
        assert rolling.next() is first
        first.kill_s = 1.0
        assert rolling.next() is None
        first.phase, first.kill_s, first.pid = Phase.STARTING, None, 200
        assert rolling.next() is None
        first.phase = Phase.READY
        assert rolling.next() is second
        second.pid = 201
        assert rolling.next() is None
        assert not rolling.cancel()

    def test_a_slot_that_was_emptied_meanwhile_is_passed_over(self) -> None:
        """A shard taken away by SIGTTOU holds up nobody."""
        first, second = _ready_slot(0, 100), _ready_slot(1, 101)
        rolling = Rolling()
        rolling.begin([first, second])
        first.phase = Phase.EMPTY
        assert rolling.next() is second

    def test_cancelling_leaves_the_rest(self) -> None:
        """After a failed start nobody else is told to go."""
        rolling = Rolling()
        rolling.begin([_ready_slot(0, 100)])
        assert rolling.cancel()
        assert rolling.next() is None


class TestWatch:
    """Silence of the renew thread."""

    SETTINGS = Settings().replace(worker__lease_s=15.0)

    def test_a_ticking_shard_is_left_alone(self) -> None:
        """A shard whose thread ticked within the bound is no concern."""
        watch = Watch(self.SETTINGS)
        slot = _ready_slot(0, 100, now_ms=100_000)
        slot.page.tick()
        watch.look(100.0)
        assert watch.silence_s == pytest.approx(9.0)
        assert watch.judge(slot, 108.9) is Step.NOTHING

    def test_silence_brings_a_dump_then_a_kill_before_the_lease_passes(self) -> None:
        """At 0.6 leases the stacks are asked for, a moment later it is killed."""
        watch = Watch(self.SETTINGS)
        slot = _ready_slot(0, 100, now_ms=100_000)
        slot.page.tick()
        for now_s in (100.0, 102.0, 104.0, 106.0, 108.0, 110.0):
            watch.look(now_s)
        assert watch.judge(slot, 110.0) is Step.DUMP
        slot.dumped_s = 110.0
        assert watch.judge(slot, 110.1) is Step.NOTHING
        assert watch.judge(slot, 110.4) is Step.KILL

    def test_a_supervisor_that_was_away_judges_nobody(self) -> None:
        """After a pause of its own, every shard gets a whole new time."""
        watch = Watch(self.SETTINGS)
        slot = _ready_slot(0, 100, now_ms=100_000)
        slot.page.tick()
        watch.look(100.0)
        watch.look(160.0)
        assert watch.judge(slot, 160.0) is Step.NOTHING
        assert watch.judge(slot, 169.1) is Step.DUMP

    def test_a_starting_shard_is_not_judged(self) -> None:
        """The thread does not exist before the shard is ready."""
        watch = Watch(self.SETTINGS)
        slot = _ready_slot(0, 100)
        slot.phase = Phase.STARTING
        watch.look(1000.0)
        assert watch.judge(slot, 2000.0) is Step.NOTHING

    def test_a_slow_redis_is_no_silence(self) -> None:
        """With a short lease the thread may wait for Redis twice, but never for the whole lease."""
        settings = Settings().replace(worker__lease_s=5.0, redis__timeout_s=1.5)
        assert Watch(settings).silence_s == pytest.approx(4.0)
        settings = Settings().replace(worker__lease_s=3.0, redis__timeout_s=1.0)
        assert Watch(settings).silence_s == pytest.approx(2.7)


class TestFleet:
    """More and fewer."""

    def test_growing_fills_the_lowest_empty_place_and_stops_at_the_board(self) -> None:
        """A place left empty is used again; there are never more shards than pages."""
        fleet = Fleet(2, Board(3, 1))
        for slot in fleet:
            slot.phase = Phase.READY
        next(iter(fleet)).phase = Phase.EMPTY
        slots = [fleet.grow() for _ in range(2)]
        assert [slot.index for slot in slots if slot] == [0, 0]
        for slot in fleet:
            slot.phase = Phase.READY
        added = fleet.grow()
        assert added is not None
        assert added.index == 2
        added.phase = Phase.READY
        assert fleet.grow() is None

    def test_shrinking_takes_the_last_and_leaves_one(self) -> None:
        """The highest place goes first; the last shard stays."""
        fleet = Fleet(2, Board(2, 1))
        for slot in fleet:
            slot.phase = Phase.READY
        gone = fleet.shrink()
        assert gone is not None
        assert gone.index == 1
        assert fleet.shrink() is None
        assert fleet.target == 1


class TestBoard:
    """The pages of a host."""

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_pages_do_not_overlap_and_a_child_sees_pages_of_later_shards(self) -> None:
        """A child forked before a page was first used reads what is written there afterwards."""
        board = Board(3, 2)
        board.page(0).processed = 1
        go_read, go_write = os.pipe()
        told_read, told_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(go_read, 1)
            seen = [(index, page.processed) for index, page in board.pages()]
            os.write(told_write, repr(seen).encode())
            os._exit(0)
        board.page(2).processed = 3
        board.page(1).set_slot(1, 1, b"t", b"i", b"y")
        os.write(go_write, b"x")
        assert os.read(told_read, 1000) == b"[(0, 1), (1, 0), (2, 3)]"
        os.waitpid(pid, 0)
        for fd in (go_read, go_write, told_read, told_write):
            os.close(fd)
        with pytest.raises(IndexError):
            board.page(3)


class TestCores:
    """How many shards by default."""

    @pytest.mark.parametrize(
        ("quota", "cores"), [("50000 100000", 1), ("100000 100000", 1), ("bad", None)]
    )
    def test_a_containers_quota_counts(self, tmp_path: Path, quota: str, cores: int | None) -> None:
        """Half a core is one; what can't be read changes nothing."""
        file = tmp_path / "cpu.max"
        file.write_text(quota)
        missing = tmp_path / "none"
        assert usable_cores(file) == (cores or usable_cores(missing))

    def test_one_core_is_left_to_others(self) -> None:
        """Cores minus one, at least one."""
        assert default_shards() == max(usable_cores() - 1, 1)


class TestNotifier:
    """What systemd is told."""

    def test_it_says_ready_stopping_and_alive(self, tmp_path: Path) -> None:
        """The messages arrive in systemd's form, and the variables are taken away."""
        address = str(tmp_path / "notify")
        environment = {
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": "20000000",
            "WATCHDOG_PID": str(os.getpid()),
            "OTHER": "stays",
        }
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(address)
            notifier = Notifier.take(environment)
            assert environment == {"OTHER": "stays"}
            assert notifier.watchdog_interval_s == 10.0
            notifier.ready("2 of 2 shards ready")
            notifier.status("1 of 2 shards ready")
            notifier.watchdog()
            notifier.stopping()
            got = [systemd.recv(1000).decode() for _ in range(4)]
        assert got == [
            "READY=1\nSTATUS=2 of 2 shards ready",
            "STATUS=1 of 2 shards ready",
            "WATCHDOG=1",
            "STOPPING=1",
        ]

    def test_without_systemd_it_is_silent(self, tmp_path: Path) -> None:
        """No socket, a watchdog meant for another process, or nobody listening: no error."""
        assert Notifier.take({}).watchdog_interval_s is None
        other = {"NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
        assert Notifier.take(other).watchdog_interval_s is None
        Notifier.take({}).ready("")
        Notifier(str(tmp_path / "nobody")).ready("")


class TestChild:
    """Names of mains, and reports."""

    def test_a_name_is_resolved_or_refused_clearly(self) -> None:
        """``module:function`` is found by name; anything else says what it must be."""
        assert child.resolve("os:getpid") is os.getpid
        with pytest.raises(ValueError, match="module:function"):
            child.resolve("os.getpid")
        with pytest.raises(TypeError, match="not a function"):
            child.resolve("os:name")

    def test_a_report_is_read_in_pieces(self) -> None:
        """A failure that arrives in two writes is understood once it is whole."""
        read_fd, write_fd = os.pipe()
        report = Report(read_fd)
        assert report.read()
        assert not report.is_ready
        os.write(write_fd, b"E69:Redis is ")
        assert report.read()
        os.write(write_fd, b"away\n")
        os.close(write_fd)
        assert not report.read()
        report.close()
        report.close()
        assert report.failure == (69, "Redis is away")
        assert not report.is_open


def test_signals_only_record() -> None:
    """Signals wait in the pipe, in order, until they are read; then the old handlers are back."""
    before = signal.getsignal(signal.SIGTTIN)
    pipe = SignalPipe()
    try:
        signal.raise_signal(signal.SIGTTIN)
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTTIN)
        assert pipe.read() == [signal.SIGTTIN, signal.SIGHUP, signal.SIGTTIN]
        assert pipe.read() == []
    finally:
        pipe.close()
    assert signal.getsignal(signal.SIGTTIN) == before
