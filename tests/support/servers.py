"""Real Redis and Valkey servers on loopback, each in a directory of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shoal.embedded.tether import tethered
from tests.support.binaries import Kind, find_binary
from tests.support.ports import PortReservation, reserve_port
from tests.support.waiting import wait_until

BASELINE: dict[str, str] = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "min-replicas-to-write": "0",
}
"""What every server starts with, and what ``flush`` sets again."""

START_TIMEOUT_S = 30.0


class RedisServer:
    """One server process; a context manager.

    Args:
        kind: Which server: ``valkey``, ``redis7`` or ``redis8``.
        config: Configuration beyond (or instead of) ``BASELINE``.
        environment: Variables beyond those of this process.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        config: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.host = "127.0.0.1"
        self._config = {**BASELINE, **(config or {})}
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._reservations: list[PortReservation] = []
        self._directory: Path | None = None

    @property
    def port(self) -> int:
        """The TCP port, the same over all restarts."""
        return self._reservations[0].port

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:<port>/0``."""
        return f"redis://{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the server that runs now.

        Raises:
            RuntimeError: None runs.
        """
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the {self.kind} server is not running")
        return self._process.pid

    @property
    def directory(self) -> Path:
        """Where the AOF and ``server.log`` are; kept over restarts, removed at the end."""
        if self._directory is None:
            raise RuntimeError(f"the {self.kind} server was not started")
        return self._directory

    @property
    def is_running(self) -> bool:
        """Whether the process exists (also when stopped by a signal)."""
        return self._process is not None and self._process.poll() is None

    @property
    def fds(self) -> set[int]:
        """The file descriptors that this object holds open in the test's process."""
        return {fd for reservation in self._reservations for fd in reservation.fds}

    def client(self, *, decode: bool = False, timeout_s: float = 10.0) -> redis.Redis:
        """A new client without retries. Close it: ``with server.client() as client``."""
        return redis.Redis(
            host=self.host,
            port=self.port,
            protocol=2,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            decode_responses=decode,
        )

    def start(self) -> Self:
        """Start the server and wait until it answers. The first start makes directory and port.

        Raises:
            MissingBinary: The binary is not installed.
            RuntimeError: It ended at once; the message has the end of its log.
        """
        if self.is_running:
            return self
        binary = find_binary(self.kind)
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix=f"shoal-{self.kind}-"))
            self._reservations = self._reserve()
        command = [str(binary)]
        for name, value in {**self._config, **self._addresses()}.items():
            command += [f"--{name}", value]
        # The kernel's tie follows the starting thread; a short-lived one would end the server.
        if threading.current_thread() is threading.main_thread():
            command = tethered(command, signal.SIGKILL)
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env={**os.environ, **self._environment} if self._environment else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # Like SIGXFSZ ignored: a write beyond RLIMIT_FSIZE then fails, as on a full disk.
                restore_signals=False,
            )
        wait_until(self._answers, f"the {self.kind} server answers PING", START_TIMEOUT_S)
        return self

    def configure(self, **config: str) -> None:
        """Start with these from the next start on; ``_`` stands for ``-`` in their names."""
        self._config |= {name.replace("_", "-"): value for name, value in config.items()}

    def kill(self) -> None:
        """Kill -9 and reap. Nothing is flushed; the kernel keeps what was written."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM) and reap."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Start again on the same port and directory; kills it first when it runs."""
        self.kill()
        self.start()

    def stop_process(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def continue_process(self) -> None:
        """SIGCONT: go on after ``stop_process``."""
        os.kill(self.pid, signal.SIGCONT)

    def flush(self) -> None:
        """Make it an empty server with the baseline configuration, whatever the last test did."""
        if not self.is_running or not self._is_responsive():
            self.kill()
            if self._directory is not None:
                shutil.rmtree(self._directory / "appendonlydir", ignore_errors=True)
            self.start()
        with self.client() as client:
            client.config_set(*(part for item in self._settable().items() for part in item))
            client.flushall()
            client.script_flush()

    def close(self) -> None:
        """Kill it and remove its directory and port."""
        self.kill()
        for reservation in self._reservations:
            reservation.release()
        self._reservations = []
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        text = (self.directory / "server.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _reserve(self) -> list[PortReservation]:
        return [reserve_port()]

    def _addresses(self) -> dict[str, str]:
        return {
            "bind": self.host,
            "port": str(self.port),
            "dir": str(self.directory),
            "daemonize": "no",
        }

    def _settable(self) -> dict[str, str]:
        return {
            **BASELINE,
            **{name: value for name, value in self._config.items() if name in BASELINE},
        }

    def _is_responsive(self) -> bool:
        self.continue_process()
        with self.client(timeout_s=2.0) as client:
            try:
                client.ping()
            except (redis.TimeoutError, redis.ConnectionError):
                # Under CLIENT PAUSE nothing is answered, CLIENT UNPAUSE included.
                return False
        return True

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the {self.kind} server ended at its start:\n{self.log_tail()}")
        # Anything but PONG (LOADING, a refused connection) means: not yet.
        with self.client(timeout_s=1.0) as client, contextlib.suppress(redis.RedisError, OSError):
            return bool(client.ping())
        return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait(timeout=10)
