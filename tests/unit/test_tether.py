"""The launcher that ties a program's life to its parent's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shoal.embedded.tether import EXIT_ORPHANED, tethered
from tests.support.processes import is_alive, python
from tests.support.waiting import wait_until

PARENT = """
import signal, subprocess, sys
from shoal.embedded.tether import tethered
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
child = subprocess.Popen(tethered(["sleep", "60"], signal.SIGTERM))
print("child", child.pid, flush=True)
signal.pause()
"""


def test_the_program_is_run_with_its_arguments_and_status() -> None:
    """The launcher becomes the program: same process, its output, its exit status."""
    command = tethered(
        [sys.executable, "-c", "import os; print(os.getpid()); exit(7)"], signal.SIGTERM
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output, _ = process.communicate()
    assert (int(output), process.returncode) == (process.pid, 7)


def test_the_program_dies_with_its_parent() -> None:
    """A kill -9 of the parent sends the signal, though the parent had it blocked."""
    with python("-c", PARENT) as parent:
        parent.wait_for_output("child ")
        pid = int(parent.stdout.split()[1])
        wait_until(lambda: program_of(pid) == "sleep", "the launcher has become the program")
        parent.kill()
        wait_until(lambda: not is_alive(pid), "the program is gone")


def test_an_orphan_does_not_start() -> None:
    """A parent that is gone before the tie is made is noticed: the program never runs."""
    command = tethered(["echo", "ran"], signal.SIGTERM)
    somebody_else = [str(os.getppid()) if part == str(os.getpid()) else part for part in command]
    ended = subprocess.run(somebody_else, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (EXIT_ORPHANED, "")


def test_elsewhere_the_program_runs_untied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has no such tie, the command stays as it is."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert tethered(["program", "argument"], signal.SIGTERM) == ["program", "argument"]


def program_of(pid: int) -> str:
    """The first word of a process's command line."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
