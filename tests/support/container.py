"""A program as process 1 of a process namespace of its own, as a container runs it."""

from __future__ import annotations

import signal

import psutil

from tests.support.processes import ChildProcess
from tests.support.waiting import wait_until

#: As root of a user namespace, so that it needs no right of the user that runs the suite.
UNSHARE = ("/usr/bin/unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")


def as_process_1(child: ChildProcess) -> ChildProcess:
    """The same program, not yet started, as process 1; its exit status is still the child's."""
    child.command[:0] = [*UNSHARE, "--kill-child"]
    return child


def process_1(child: ChildProcess) -> psutil.Process:
    """The process that is number 1 in there."""
    found = wait_until(
        lambda: [
            process
            for process in psutil.Process(child.pid).children(recursive=True)
            if process.cmdline()[1:3] == ["-m", "shoal"] or "shoal" in process.name()
        ],
        "process 1 has begun",
    )
    return found[0]


def stop(child: ChildProcess, how: signal.Signals = signal.SIGTERM) -> None:
    """What ``docker stop`` does first: a signal to process 1 from outside."""
    process_1(child).send_signal(how)
