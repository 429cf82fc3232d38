"""The standing watches: what a test must not leave behind."""

import asyncio
import contextlib
import gc
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
from pathlib import Path

import psutil

from tests.support import processes
from tests.support.server_pool import ServerPool

SETTLE_S = float(os.environ.get("SHOAL_TEST_SETTLE_S", "2"))
"""How long something that is about to end may take, in seconds."""


class LeftBehind(AssertionError):
    """A test ended, and something that it started goes on."""


class StandingWatch:
    """Looks at threads, child processes and file descriptors before a test, and compares after it.

    Servers of the shared pool may stay. So may the threads of the event loop's own executor,
    which end with the loop.
    """

    def __init__(self, pool: ServerPool) -> None:
        self._pool = pool
        self._threads = set(threading.enumerate())
        self._fds = _open_fds()
        self._children = set(processes.children_of(os.getpid(), recursive=True))
        self._started_children = processes.started_children

    def verify(self) -> None:
        """Fail if the test left something, after giving it ``SETTLE_S`` to end by itself.

        Raises:
            LeftBehind: Names each thing, so that its owner can be found.
        """
        deadline = time.monotonic() + SETTLE_S
        while left := self._left():
            # A socket in a reference cycle is closed by the collector, which is too late for
            # production; but then ResourceWarning is what fails the test, with a better text.
            gc.collect()
            if time.monotonic() >= deadline:
                for pid in self._left_children():
                    # One culprit: the next tests must not find it again.
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                raise LeftBehind("the test left behind: " + "; ".join(left))
            time.sleep(0.01)

    def _left(self) -> list[str]:
        return [
            *(f"thread {thread.name!r}" for thread in self._left_threads()),
            *(f"process {pid} ({command})" for pid, command in self._left_children().items()),
            *(f"file descriptor {fd} ({target})" for fd, target in self._left_fds().items()),
        ]

    def _left_threads(self) -> list[threading.Thread]:
        return [
            thread
            for thread in threading.enumerate()
            if thread not in self._threads and not thread.name.startswith("asyncio_")
        ]

    def _left_children(self) -> dict[int, str]:
        found = set(processes.children_of(os.getpid(), recursive=True))
        if processes.started_children != self._started_children:
            found |= set(processes.marked_processes())
        mine = found - self._children - self._pool.pids
        return {
            pid: command
            for pid in sorted(mine)
            if (command := _command(pid)) and not self._is_expected(pid, command)
        }

    def _is_expected(self, pid: int, command: str) -> bool:
        if "multiprocessing.resource_tracker" in command:
            return True
        # A shared server forks to rewrite its append-only file.
        try:
            return psutil.Process(pid).ppid() in self._pool.pids
        except psutil.NoSuchProcess:
            return True

    def _left_fds(self) -> dict[int, str]:
        tracker = getattr(multiprocessing.resource_tracker._resource_tracker, "_fd", None)
        return {
            fd: target
            for fd, target in sorted(_open_fds().items())
            if self._fds.get(fd) != target and fd not in self._pool.fds and fd != tracker
        }


async def left_tasks() -> list[str]:
    """The asyncio tasks of the running loop, besides the caller's, that have not ended.

    Lets the loop run a few rounds first: a cancelled task and a closing transport need them.
    """
    for _ in range(5):
        await asyncio.sleep(0)
    mine = asyncio.current_task()
    return [
        f"asyncio task {task.get_name()!r} in {task.get_coro()!r}"
        for task in asyncio.all_tasks()
        if task is not mine and not task.done()
    ]


def _open_fds() -> dict[int, str]:
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            found[int(link.name)] = str(link.readlink())
        except FileNotFoundError:
            continue  # the descriptor of this very listing
    return found


def _command(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())[:200]
    except psutil.Error:
        return ""
