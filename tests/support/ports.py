"""Free loopback ports that stay free while their server is down.

The ports lie below the range from which the kernel takes the source ports of outgoing
connections: a client that retries against a killed server inside that range can connect
to itself, and a stranger's connection can take the port before the restart. A lock file
per port keeps other test processes on this machine away from it.
"""

import errno
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import Self

LOWEST, HIGHEST = 15_000, 32_000


class PortReservation:
    """One loopback TCP port, ours until ``release``."""

    def __init__(self, port: int, lock_fd: int) -> None:
        self.port = port
        self._lock_fd: int | None = lock_fd

    @property
    def fds(self) -> set[int]:
        """The file descriptors this reservation holds open."""
        return set() if self._lock_fd is None else {self._lock_fd}

    def release(self) -> None:
        """Let others have the port. Does nothing the second time."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.release()


def reserve_port() -> PortReservation:
    """Reserve a loopback port that nothing listens on.

    Raises:
        RuntimeError: No free port was found in 200 tries.
    """
    choose = random.SystemRandom()
    for _ in range(200):
        port = choose.randrange(LOWEST, HIGHEST)
        lock_fd = _lock(port)
        if lock_fd is None:
            continue
        if _can_bind(port):
            return PortReservation(port, lock_fd)
        os.close(lock_fd)
    raise RuntimeError(f"no free loopback port between {LOWEST} and {HIGHEST} in 200 tries")


def _lock(port: int) -> int | None:
    directory = Path(tempfile.gettempdir()) / f"shoal-test-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(directory / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    return fd


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
