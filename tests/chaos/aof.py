"""The append-only file of a server that is down: cut, damaged, mended and put back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.binaries import find_binary
from tests.support.servers import RedisServer

_MEND_TIMEOUT_S = 30
#: Bytes that are overwritten.
_DAMAGE = 16


class AofCopy:
    """What a server had written when it died; each ``put_back`` begins from it.

    Args:
        server: Not running.
        copy: Where to keep it.
    """

    def __init__(self, server: RedisServer, copy: Path) -> None:
        self._server = server
        self._copy = copy
        shutil.copytree(_folder(server), copy)
        #: The bytes of its last file.
        self.size = increment(server).stat().st_size

    def put_back(self, *, cut: int = 0, damage_at: int | None = None) -> None:
        """Let the next start find this file, without its last ``cut`` bytes, or damaged.

        Args:
            cut: So many bytes.
            damage_at: A place; the first command that begins behind it is made unreadable. (What lies
                inside a value is not noticed: the file has no checksums.)
        """
        shutil.rmtree(_folder(self._server))
        shutil.copytree(self._copy, _folder(self._server))
        path = increment(self._server)
        if cut:
            os.truncate(path, self.size - cut)
        if damage_at is not None:
            data = path.read_bytes()
            begins = data.index(b"\r\n*", damage_at) + 2
            path.write_bytes(data[:begins] + b"\xff" * _DAMAGE + data[begins + _DAMAGE :])


def increment(server: RedisServer) -> Path:
    """The file that a server appends to."""
    (path,) = _folder(server).glob("*.incr.aof")
    return path


def mend(server: RedisServer) -> str:
    """The runbook's step: ``redis-check-aof --fix`` on the file that the log names; what it said.

    Not on the manifest: that of Valkey 9 takes its own base file for damaged.
    """
    # The server's binary is that tool when it is called so.
    done = subprocess.run(
        ["redis-check-aof", "--fix", str(increment(server))],
        executable=find_binary(server.kind),
        input=b"y\n",
        capture_output=True,
        timeout=_MEND_TIMEOUT_S,
        check=True,
    )
    return done.stdout.decode()


def _folder(server: RedisServer) -> Path:
    return server.directory / "appendonlydir"
