"""How a real supervisor ends."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from shoal.errors import ExitStatus
from tests.support.supervised import Supervised
from tests.support.waiting import wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM or Ctrl-C: every shard gets one SIGTERM, drains, and the supervisor exits with 0."""
    with Supervised(tmp_path, "work", shards=3) as host:
        host.wait_for("ready", 3)
        host.process.send(number)
        assert host.process.wait() == ExitStatus.OK
        assert [event["terms"] for event in host.events("drained")] == [1, 1, 1]
        assert not host.events("release")


def test_ctrl_c_of_a_terminal_reaches_shards_only_through_the_supervisor(tmp_path: Path) -> None:
    """A terminal sends SIGINT to the whole group; the shards take their order from the supervisor."""
    with Supervised(tmp_path, "work", shards=2) as host:
        host.wait_for("ready", 2)
        os.killpg(host.process.pid, signal.SIGINT)
        assert host.process.wait() == ExitStatus.OK
        assert [event["terms"] for event in host.events("drained")] == [1, 1]


def test_a_second_sigterm_is_passed_on(tmp_path: Path) -> None:
    """A second SIGTERM tells the shards to release at once: they get a second one."""
    with Supervised(tmp_path, "patient", shards=2) as host:
        host.wait_for("ready", 2)
        host.process.terminate()
        host.process.wait_for_output("draining")
        assert not host.events("drained")
        host.process.terminate()
        assert host.process.wait() == ExitStatus.OK
        assert [event["terms"] for event in host.events("drained")] == [2, 2]


def test_a_shard_that_does_not_drain_is_killed_and_handed_back_in_time(tmp_path: Path) -> None:
    """A shard still there at the deadline is killed and handed back, all within the timeout."""
    with Supervised(tmp_path, "stubborn", shards=2) as host:
        ready = host.wait_for("ready", 2)
        begun = time.monotonic()
        host.process.terminate()
        assert host.process.wait() == ExitStatus.SYSTEM
        assert 3.5 < time.monotonic() - begun < 5.5
        released = {event["incarnation"] for event in host.events("release")}
        assert released == {event["incarnation"] for event in ready}
        assert not host.living()


def test_a_signal_during_the_start_ends_at_once(tmp_path: Path) -> None:
    """SIGTERM before any shard is ready leaves nothing running and hands nothing back."""
    with Supervised(tmp_path, "work", shards=4) as host:
        host.wait_for("start", 1)
        host.process.terminate()
        assert host.process.wait() == ExitStatus.OK
        assert not host.living()
        assert not host.events("release")


def test_a_shard_told_to_go_before_is_not_told_twice(tmp_path: Path) -> None:
    """SIGTTOU, then SIGTERM: the shard that drains already does not take it for release now."""
    with Supervised(tmp_path, "patient", shards=2) as host:
        host.wait_for("ready", 2)
        host.process.send(signal.SIGTTOU)
        host.process.wait_for_output("SIGTTOU: 1 shards")
        host.process.terminate()
        host.process.wait_for_output("draining")
        assert not host.events("drained")
        host.process.terminate()
        assert host.process.wait() == ExitStatus.OK
        assert [event["terms"] for event in host.events("drained")] == [2, 2]


def test_systemd_is_told(tmp_path: Path) -> None:
    """Type=notify units learn of readiness, of life and of the end."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(15)
        env = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "200000"}
        with Supervised(tmp_path, "work", shards=1, env=env) as host:
            assert systemd.recv(1000).startswith(b"READY=1\nSTATUS=1 of 1 shards ready")
            while systemd.recv(1000) != b"WATCHDOG=1":
                pass
            host.process.terminate()
            while systemd.recv(1000) != b"STOPPING=1":
                pass
            wait_until(lambda: host.process.returncode == 0, "it ended")


def test_a_second_sigterm_leaves_no_time_to_a_shard_that_takes_no_notice(tmp_path: Path) -> None:
    """Told twice, a shard that does not react is killed long before WORKER_SHUTDOWN_TIMEOUT."""
    env = {"WORKER_SHUTDOWN_TIMEOUT": "60s"}
    with Supervised(tmp_path, "stubborn", shards=1, env=env) as host:
        host.wait_for("ready", 1)
        host.process.terminate()
        host.process.wait_for_output("draining")
        begun = time.monotonic()
        host.process.terminate()
        assert host.process.wait() == ExitStatus.SYSTEM
        assert time.monotonic() - begun < 6.0
        host.wait_for("release", 1)
