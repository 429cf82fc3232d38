"""A small process that forks process workers for its shard, whenever one is wanted.

A shard has threads and an event loop, and forking with threads is how locks stay locked for ever. So
it forks this server first, right after the user's code was imported: what was imported is there in
every worker, in memory that they share.

It knows nothing of tasks. It lives as long as its shard: the end of file on its socket, or on Linux
the kernel, ends it, and with it all of its workers.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from shoal.shard.forks_wire import Ended, Frames, Kill, Spawn, Spawned, ToServer, pack

if TYPE_CHECKING:
    from types import FrameType

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_MAX_FDS: Final = 16
#: Exit status of a child that its parent was gone for already.
_EXIT_ORPHANED: Final = 75


class ForkServer(NamedTuple):
    """A running fork server, as its shard sees it."""

    pid: int
    #: The shard's end: ``Spawn`` and ``Kill`` go out, ``Spawned`` and ``Ended`` come in.
    control: socket.socket


def start(work: Callable[[socket.socket], None], close: Iterable[int] = ()) -> ForkServer:
    """Fork the server. Only before the process has a thread or an event loop.

    Args:
        work: What a worker does with its end of the socket, until that is closed.
        close: File descriptors that are the shard's alone.

    Raises:
        OSError: The system has no process to give.
    """
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _become_child(parent, "shoal forks", [*close, ours.fileno()])
            _Server(theirs, work).serve()
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    return ForkServer(pid, ours)


def _become_child(parent: int, title: str, close: Iterable[int]) -> None:
    """What every child here does first: end with its parent, and leave signals to the shard.

    A Ctrl-C or a service manager reaches all processes of a group; what runs here must be able to
    finish while the shard drains.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        libc.prctl(_PR_SET_NAME, title.encode()[:15], 0, 0, 0)
    # A parent that died before that call sends no signal any more.
    if os.getppid() != parent:
        os._exit(_EXIT_ORPHANED)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for fd in close:
        with contextlib.suppress(OSError):
            os.close(fd)


class _Server:
    """The server's loop; one thread, no asyncio."""

    def __init__(self, control: socket.socket, work: Callable[[socket.socket], None]) -> None:
        self._control = control
        self._work = work
        self._frames = Frames(ToServer)
        self._fds: deque[int] = deque()
        #: Number of a worker by its pid.
        self._workers: dict[int, int] = {}
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)

    def serve(self) -> None:
        """Until the shard is gone."""
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        try:
            while True:
                readable, _, _ = select.select([self._control, self._woken], [], [])
                if self._woken in readable:
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(4096)
                    self._reap()
                if self._control in readable and not self._hear():
                    return
        except OSError:
            return  # the shard's end is closed
        finally:
            for pid in self._workers:
                os.kill(pid, signal.SIGKILL)

    def _hear(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, 65536, _MAX_FDS)
        self._fds.extend(fds)
        for message in self._frames.feed(data):
            if isinstance(message, Spawn):
                self._spawn(message.number, self._fds.popleft())
            elif isinstance(message, Kill):
                for pid, number in self._workers.items():
                    if number == message.number:
                        os.kill(pid, signal.SIGKILL)
        return bool(data)

    def _spawn(self, number: int, fd: int) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            os.close(fd)
            self._control.sendall(pack(Ended(number, -1)))
            return
        if pid == 0:
            self._become_worker(parent, fd)
        os.close(fd)
        self._workers[pid] = number
        self._control.sendall(pack(Spawned(number, pid)))

    def _become_worker(self, parent: int, fd: int) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            inherited = (self._control, self._woken, self._wake)
            _become_child(parent, "shoal process", [one.fileno() for one in inherited])
            gc.enable()
            self._work(socket.socket(fileno=fd))
            status = 0
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while self._workers:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self._workers.pop(pid, None)
            if number is not None:
                self._control.sendall(pack(Ended(number, wait_status)))


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A handler, so that the signal writes to the wakeup descriptor."""
