"""The directory in which a host's processes share their metrics, one for each supervisor.

It is made new at each start, so that nothing stale is ever counted, and removed at the end. A
supervisor that was killed leaves its own behind; the next one removes it. Whether one is still in
use is told by a lock on a file in it, which the kernel gives up when the supervisor and all of its
children are gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["MetricsDirectory"]

_PREFIX = "shoal-metrics-"
_LOCK = "lock"


class MetricsDirectory:
    """A private, locked directory; ``close`` removes it."""

    def __init__(self, parent: Path | None = None) -> None:
        """Remove what dead supervisors left in ``parent``, then make a directory there.

        Args:
            parent: None = the system's directory for temporary files.

        Raises:
            OSError: There can be none.
        """
        base = parent or Path(tempfile.gettempdir())
        _sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        # Children inherit the lock with the descriptor: while one lives, the directory is in use.
        self._fd = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Remove the directory; all children must have ended."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._fd)


def _sweep(base: Path) -> None:
    """Remove the directories that nobody uses any more, of this user only."""
    for path in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            fd = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(fd)
