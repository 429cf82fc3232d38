"""The file by which ``shoal reload`` finds a supervisor and learns what came of its reload.

It is locked for as long as the supervisor lives, so a file that nobody holds is what a dead one left
behind. What it says is written in place: a new file would have to be locked anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from shoal.config import Settings
from shoal.telemetry.logs import logger

__all__ = ["RunFile", "RunState", "read_state", "run_file_path"]

#: Every write fills as much, so that none leaves a rest of a longer one.
_BYTES = 4096
_LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class RunState:
    """What a supervisor says about itself."""

    pid: int
    #: Reloads that it was asked for.
    asked: int = 0
    #: Of these, the ones that ended.
    ended: int = 0
    #: What came of the last that ended, one of ``OUTCOMES``; empty = none has.
    outcome: str = ""
    #: The same in a sentence.
    message: str = ""


def run_file_path(settings: Settings) -> Path:
    """Where the supervisor with these settings has its file."""
    return Path(settings.worker.run_dir) / f"{settings.namespace}.{settings.worker.id}.supervisor"


def read_state(path: Path) -> RunState | None:
    """What the supervisor says whose file this is; ``None`` = none lives.

    Raises:
        OSError: The file can't be read.
        ValueError: It is no such file, or just being written.
    """
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return RunState(**json.loads(file.read(_BYTES)))
            return None
    except FileNotFoundError:
        return None


class RunFile:
    """A supervisor's own; it goes with the supervisor."""

    def __init__(self, path: Path, fd: int) -> None:
        """Own ``fd``, which is open for writing and locked."""
        self._path = path
        self.fd = fd

    @classmethod
    def take(cls, settings: Settings) -> RunFile | None:
        """Make and lock it; ``None`` = it can't be had, and the supervisor works without."""
        path = run_file_path(settings)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = path.parent.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise PermissionError(0, "it belongs to somebody else")
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(fd)
                raise
        except OSError as error:
            logger.debug("`shoal reload` will not find this host: {}: {}", path, error.strerror)
            return None
        file = cls(path, fd)
        file.write(RunState(os.getpid()))
        return file

    def write(self, state: RunState) -> None:
        """Say this from now on."""
        fields = asdict(state) | {"message": state.message[:_LONGEST_MESSAGE]}
        with contextlib.suppress(OSError):  # a full disk is no reason to stop working
            os.pwrite(self.fd, json.dumps(fields).encode().ljust(_BYTES), 0)

    def close(self) -> None:
        """Remove it and let go."""
        self._path.unlink(missing_ok=True)
        os.close(self.fd)
