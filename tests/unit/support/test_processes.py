"""Child processes of tests."""

import os
import signal

import pytest

from tests.support.processes import children_of, clean_environment, is_alive, python, shoal
from tests.support.waiting import wait_until

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("child", child.pid)
child.wait()
"""


def test_output_and_status_are_captured() -> None:
    """What a child writes and how it ends can be read during and after its life."""
    with python(
        "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    ) as child:
        assert child.wait() == 3
        assert (child.stdout, child.stderr, child.returncode) == ("out\n", "err\n", 3)


def test_children_are_seen_and_ended_with_their_parent() -> None:
    """Leaving the block ends the whole tree."""
    with python("-c", PARENT) as parent:
        parent.wait_for_output("child ")
        [child] = parent.children()
        assert parent.stdout == f"child {child}\n"
        assert parent.pid in children_of(os.getpid())
        assert is_alive(child)
    assert not is_alive(child)
    assert not is_alive(parent.pid)
    assert children_of(parent.pid) == []


def test_kill_ends_only_the_one() -> None:
    """A kill -9 of the parent leaves its child to notice by itself."""
    with python("-c", PARENT) as parent:
        parent.wait_for_output("child ")
        [child] = parent.children()
        parent.kill()
        assert parent.returncode == -signal.SIGKILL
        assert is_alive(child)
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not is_alive(child), "the child is gone")


def test_waiting_in_vain_shows_the_output() -> None:
    """A child that does not do what is waited for fails the test with all it wrote."""
    with python("-c", "print('a word'); import signal; signal.pause()") as child:
        child.wait_for_output("a word")
        with pytest.raises(AssertionError, match="a word"):
            child.wait_for_output("another", timeout_s=0.05)
        with pytest.raises(AssertionError, match="still running after"):
            child.wait(0.05)
    with (
        python("-c", "print('short life')") as child,
        pytest.raises(AssertionError, match=r"ended before it wrote 'another'(?s:.)*short life"),
    ):
        child.wait_for_output("another")


def test_children_inherit_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of Shoal in the developer's shell do not reach a child; the rest does."""
    monkeypatch.setenv("REDIS_URL", "redis://production")
    monkeypatch.setenv("SHOAL_PARTITIONS", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    environment = clean_environment()
    assert {"REDIS_URL", "SHOAL_PARTITIONS"}.isdisjoint(environment)
    assert environment["LC_ALL"] == "C.UTF-8"


def test_shoal_is_the_command_line() -> None:
    """``shoal(...)`` runs the command of this very tree."""
    assert shoal("--version").command[1:] == ["-m", "shoal", "--version"]
