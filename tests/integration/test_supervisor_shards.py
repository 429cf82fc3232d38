"""A real supervisor over small real shards: deaths, replacements, limits, more and fewer."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from shoal.errors import ExitStatus
from tests.support.processes import is_alive
from tests.support.supervised import Supervised
from tests.support.waiting import wait_until


def test_a_killed_shard_is_handed_back_and_replaced_at_once(tmp_path: Path) -> None:
    """Kill -9 a shard: a releaser runs for it, and a successor takes over its name."""
    with Supervised(tmp_path) as host:
        first, other = host.wait_for("ready", 2)
        os.kill(first["pid"], signal.SIGKILL)
        (release,) = host.wait_for("release", 1)
        successor = host.wait_for("start", 3)[2]
        assert release["incarnation"] == first["incarnation"]
        assert release["reason"] == "killed"
        assert successor["replaces"] == first["incarnation"]
        assert successor["incarnation"] != first["incarnation"]
        assert successor["app"] == "some_app:app"
        host.wait_for("ready", 3)
        assert is_alive(other["pid"])
        host.process.wait_for_output("handed back 7 tasks")
        assert "it was executing 01900000-0000-7000-8000-000000000001" in host.process.stderr


@pytest.mark.alone
def test_the_releaser_starts_at_once(tmp_path: Path) -> None:
    """From the kill of a shard to its releaser's first step a fraction of a second passes.

    About 15 ms on two idle cores; the bound leaves room for a busy machine and for tracing.
    """
    with Supervised(tmp_path, "work:1", shards=1) as host:
        delays = []
        for life in range(9):
            ready = host.wait_for("ready", life + 1)[life]
            killed_s = time.monotonic()
            os.kill(ready["pid"], signal.SIGKILL)
            delays.append(host.wait_for("release", life + 1)[life]["at"] - killed_s)
        assert sorted(delays)[4] < 0.25
        host.wait_for("ready", 10)
        host.process.terminate()
        assert host.process.wait() == ExitStatus.OK


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """Kill -9 the supervisor: its shards see it by the death pipe and are gone within 2 s."""
    with Supervised(tmp_path, "work", shards=3) as host:
        host.wait_for("ready", 3)
        children = host.process.children(recursive=True)
        assert len(children) == 3
        host.process.kill()
        wait_until(lambda: not any(map(is_alive, children)), "the children are gone", 2.0)
        assert len(host.events("orphaned")) == 3


def test_a_replaced_shard_sees_the_supervisors_death_too(tmp_path: Path) -> None:
    """The death pipe works for shards forked later, beside siblings and after releasers."""
    with Supervised(tmp_path, "work", shards=2) as host:
        for pid in [event["pid"] for event in host.wait_for("ready", 2)]:
            os.kill(pid, signal.SIGKILL)
        host.wait_for("ready", 4)
        host.wait_for("release", 2)
        host.process.kill()
        host.wait_for("orphaned", 2, timeout_s=2.0)


def test_no_child_holds_descriptors_of_its_siblings(tmp_path: Path) -> None:
    """The hundredth child has as many open descriptors as the first: none of a sibling's."""
    with Supervised(tmp_path, "work", shards=6) as host:
        ready = host.wait_for("ready", 6)
        os.kill(ready[0]["pid"], signal.SIGKILL)
        starts = host.wait_for("start", 7)
        assert len({len(event["fds"]) for event in starts}) == 1


def test_shards_that_cannot_live_end_the_supervisor_loudly(tmp_path: Path) -> None:
    """Shards that die again and again are restarted up to a limit, then RESTART_LIMIT is said."""
    policy = {"deaths_per_shard": 5, "immediate": 2, "initial_backoff_s": 0.05}
    with Supervised(tmp_path, "work", shards=2, policy=policy) as host:
        killed: set[int] = set()

        def kill_all() -> bool:
            for pid in set(host.living()) - killed:
                if any(event["pid"] == pid for event in host.events("ready")):
                    killed.add(pid)
                    os.kill(pid, signal.SIGKILL)
            return host.process.returncode is not None

        wait_until(kill_all, "the supervisor gives up", 30.0)
        assert host.process.returncode == ExitStatus.RESTART_LIMIT
        assert "giving up" in host.process.stderr
        # The eleventh death is one too many; another shard may die before it is told to go.
        assert len(killed) in {11, 12}
        assert len(host.events("release")) >= 11
        assert not host.living()


def test_a_host_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    """When no shard can start, the reason is one line on standard error and the exit status."""
    message = "Redis at redis://nowhere can't be reached; set REDIS_URL"
    with Supervised(tmp_path, f"fail:69:{message}", shards=3) as host:
        assert host.process.wait() == ExitStatus.REDIS_UNREACHABLE
        assert host.process.stderr == f"shoal: {message}\n"
        assert host.process.stdout == ""
        assert not host.living()


def test_a_shard_that_ends_before_it_can_claim_is_a_failed_start(tmp_path: Path) -> None:
    """A shard that says nothing and exits at its start ends the supervisor, not a restart loop."""
    with Supervised(tmp_path, "exit:9", shards=1) as host:
        assert host.process.wait() == ExitStatus.SYSTEM
        assert "shoal: a shard ended before it could claim: exit status 9" in host.process.stderr
        assert len(host.events("start")) == 1


def test_a_redis_outage_during_a_restart_is_waited_for(tmp_path: Path) -> None:
    """When a host has worked, a successor that can't reach Redis is tried again until it can."""
    policy = {"deaths_per_shard": 2, "initial_backoff_s": 0.02, "max_backoff_s": 0.1}
    with Supervised(tmp_path, "work:1", shards=1, policy=policy) as host:
        (ready,) = host.wait_for("ready", 1)
        host.behave("fail:69:Redis is away")
        os.kill(ready["pid"], signal.SIGKILL)
        starts = host.wait_for("start", 8)
        assert {event["replaces"] for event in starts[1:]} == {ready["incarnation"]}
        host.behave("work:1")
        host.wait_for("ready", 2)
        host.process.terminate()
        assert host.process.wait() == ExitStatus.OK


def test_sigttin_and_sigttou_mean_more_and_fewer(tmp_path: Path) -> None:
    """SIGTTIN adds a shard, SIGTTOU drains the last one; the first one always stays."""
    with Supervised(tmp_path, "work", shards=1) as host:
        host.wait_for("ready", 1)
        host.process.send(signal.SIGTTIN)
        added = host.wait_for("ready", 2)[1]
        assert added["incarnation"].startswith("test1-1.")
        host.process.send(signal.SIGTTOU)
        (drained,) = host.wait_for("drained", 1)
        assert drained["pid"] == added["pid"]
        wait_until(lambda: len(host.living()) == 1, "one shard is left")
        host.process.send(signal.SIGTTOU)
        # Two signals that wait are not taken in the order they were sent in.
        host.process.wait_for_output("one shard stays")
        host.process.send(signal.SIGTTIN)
        host.wait_for("ready", 3)
        assert len(host.living()) == 2
        assert not host.events("release")


def test_sighup_replaces_the_shards_one_by_one(tmp_path: Path) -> None:
    """Each shard drains and its successor is ready before the next one is told to go."""
    with Supervised(tmp_path, "work", shards=3) as host:
        old = {event["pid"] for event in host.wait_for("ready", 3)}
        host.process.send(signal.SIGHUP)
        ready = host.wait_for("ready", 6)
        drained = host.wait_for("drained", 3)
        assert {event["pid"] for event in drained} == old
        for turn in range(1, 3):
            assert drained[turn]["at"] > ready[2 + turn]["at"]
        assert not host.events("release")
        wait_until(lambda: len(host.living()) == 3, "three shards live")


def test_a_rolling_restart_stops_at_the_first_shard_that_cannot_start(tmp_path: Path) -> None:
    """A reload with broken code costs one shard, not all."""
    with Supervised(tmp_path, "work:1", shards=3) as host:
        old = {event["pid"] for event in host.wait_for("ready", 3)}
        host.behave("fail:66:no module named some_app")
        host.process.send(signal.SIGHUP)
        host.process.wait_for_output("the rolling restart ends here")
        assert len(old & set(host.living())) == 2
        host.behave("work:1")
        host.wait_for("ready", 4)


def test_a_silent_shard_is_dumped_and_replaced(tmp_path: Path) -> None:
    """A shard whose renew thread is silent shows its stacks, and goes before its lease passes."""
    with Supervised(tmp_path, "silent", shards=1) as host:
        (ready,) = host.wait_for("ready", 1)
        host.behave("work")
        (release,) = host.wait_for("release", 1)
        assert release["incarnation"] == ready["incarnation"]
        assert 1.5 < release["at"] - ready["at"] < 3.0
        assert "has been silent" in host.process.stderr
        assert "fake_shard.py" in host.process.stderr
        host.wait_for("ready", 2)


def test_a_stopped_supervisor_does_not_blame_its_shards(tmp_path: Path) -> None:
    """SIGSTOP the supervisor for a while: the shards work on, and none is killed when it wakes."""
    with Supervised(tmp_path, "work", shards=2) as host:
        host.wait_for("ready", 2)
        before = set(host.living())
        host.process.send(signal.SIGSTOP)
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 4.0, "the pause is over")
        host.process.send(signal.SIGCONT)
        host.process.send(signal.SIGTTIN)
        host.wait_for("ready", 3)
        assert before <= set(host.living())
        assert "silent" not in host.process.stderr


@pytest.mark.parametrize("shards", [1, 3])
def test_burst_ends_when_every_shard_has_ended_well(tmp_path: Path, shards: int) -> None:
    """With --burst the supervisor ends with 0 when the last shard found nothing more to do."""
    with Supervised(tmp_path, "done", shards=shards, env={"FAKE_BURST": "1"}) as host:
        assert host.process.wait() == ExitStatus.OK
        assert len(host.events("ready")) == shards


@pytest.mark.skipif(os.geteuid() != 0, reason="a process namespace of its own needs root")
def test_as_process_1_the_supervisor_buries_orphans(tmp_path: Path) -> None:
    """As process 1 of a container it reaps what a shard's children leave, and nothing else."""
    host = Supervised(tmp_path, "orphaning", shards=1)
    host.process.command[:0] = ["/usr/bin/unshare", "--pid", "--fork", "--kill-child"]
    with host:
        host.wait_for("ready", 1)

        def states() -> list[str]:
            tree = psutil.Process(host.process.pid).children(recursive=True)
            return [process.status() for process in tree]

        wait_until(lambda: len(states()) == 3, "supervisor, shard and orphan live")
        wait_until(lambda: len(states()) == 2, "the orphan is gone and buried")
        assert psutil.STATUS_ZOMBIE not in states()
        assert not host.events("release")
