"""One owner for a data directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from shoal.errors import StartupError

LOCK_FILE = "shoal.lock"
#: How long a new owner waits, in seconds, for the leftovers of a dead one to end.
DEAD_OWNER_WAIT_S = 5.0
_POLL_S = 0.02


class DirectoryLock:
    """Keeps two owners out of one directory.

    The lock belongs to the open file, so it holds until the owner *and* every child that
    inherited ``fds`` are gone: a server that is still writing keeps its directory although
    its owner was killed. The file holds the owner's process id.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / LOCK_FILE
        self._fd: int | None = None

    @property
    def fds(self) -> tuple[int, ...]:
        """The open lock file, for a child to inherit; empty while not held."""
        return () if self._fd is None else (self._fd,)

    def acquire(self) -> None:
        """Take the lock, or say at once who has it. Taking it twice is taking it once.

        Raises:
            StartupError: A living process owns the directory, or what a dead one left
                running did not end within ``DEAD_OWNER_WAIT_S``, or the file can't be opened.
        """
        if self._fd is not None:
            return
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartupError(
                f"cannot write into the data directory {self.path.parent}: {error.strerror}",
                "Choose a directory that this user may write to.",
            ) from error
        try:
            self._wait_for(fd)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Give the directory up. Does nothing when not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _wait_for(self, fd: int) -> None:
        deadline = time.monotonic() + DEAD_OWNER_WAIT_S
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
            if _is_alive(owner):
                raise StartupError(
                    f"the data directory {self.path.parent} is in use by process {owner}",
                    "Stop that process, or choose another data directory.",
                )
            if time.monotonic() >= deadline:
                raise StartupError(
                    f"the data directory {self.path.parent} is still in use by what process"
                    f" {owner or '(unknown)'} left running",
                    f"Find it with: fuser {self.path}",
                )
            time.sleep(_POLL_S)


def _is_alive(pid: str) -> bool:
    if not pid.isdigit() or int(pid) == 0:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
