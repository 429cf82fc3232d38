"""A Valkey whose clock stands still, and goes on, or back, when a test says so.

The library of libfaketime reads the time from a file; nothing in the server or the scripts knows of it.
"""

import importlib.util
import socket
from pathlib import Path
from typing import Any, Self

import hiredis
import redis

from shoal.broker.scripts import script
from tests.support.binaries import MissingBinary
from tests.support.servers import RedisServer

START_MS = 1_800_000_000_000


def clock_library() -> Path:
    """The library that fakes the clock.

    Raises:
        MissingBinary: The package is not installed.
    """
    spec = importlib.util.find_spec("libfaketime")
    if spec is None or spec.origin is None:
        raise MissingBinary("the package libfaketime is not installed; pip install libfaketime")
    folder = Path(spec.origin).parent / "vendor" / "libfaketime" / "src"
    return folder / "libfaketime.so.1"


class ClockedServer:
    """A server with a clock of the test's own; a context manager.

    Args:
        folder: For the clock's file and the socket; short, since a socket's path is.
        mutants: Scripts to be run in the place of the real ones, by name.
    """

    def __init__(self, folder: Path, mutants: dict[str, bytes] | None = None) -> None:
        self._clock = folder / "clock"
        self._mutants = mutants or {}
        self._client: Any = None
        self._write(START_MS)
        self.server = RedisServer(
            "valkey",
            config={"appendonly": "no", "unixsocket": str(folder / "s")},
            environment={
                "LD_PRELOAD": str(clock_library()),
                "FAKETIME_TIMESTAMP_FILE": str(self._clock),
                "FAKETIME_FMT": "%s",
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            },
        )
        self._socket_path = str(folder / "s")
        self._shas: dict[str, str] = {}

    def set_ms(self, now_ms: int) -> None:
        """Set the clock; whole seconds only."""
        self._write(now_ms)
        # The server caches its time for a moment.
        while self._client is not None and self._client.time()[0] != now_ms // 1000:
            pass

    def _write(self, now_ms: int) -> None:
        # By a rename: the server must never see an empty file.
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(str(now_ms // 1000))
        fresh.replace(self._clock)

    def __enter__(self) -> Self:
        self.server.start()
        self._client = redis.Redis(unix_socket_path=self._socket_path, protocol=2)
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._client is not None:
            self._client.close()
        self.server.close()

    @property
    def client(self) -> Any:
        """A plain client, on the Unix socket."""
        return self._client

    def run(self, verb: str, marker: str, *arguments: object) -> Any:
        """Run a script, the mutant of it where there is one."""
        return self._client.evalsha(self._sha(verb), 1, marker, *arguments)

    def _sha(self, verb: str) -> str:
        if verb not in self._shas:
            source = self._mutants.get(verb) or script(verb).source
            self._shas[verb] = self._client.script_load(source)
        return self._shas[verb]

    def run_while_stopped(self, now_ms: int, verb: str, marker: str, *arguments: object) -> None:
        """A server stands still with half a call; time passes, it gets the rest, and nobody hears the reply."""
        words: tuple[str | int, ...] = (self._sha(verb), 1, marker, *map(str, arguments))
        call: bytes = hiredis.pack_command(("EVALSHA", *words))  # type: ignore[arg-type]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._socket_path)
            self.server.stop_process()
            connection.sendall(call[:-9])
            self._write(now_ms)
            self.server.continue_process()
            self.set_ms(now_ms)
            connection.sendall(call[-9:])
            # So that the test knows when the call has been carried out.
            connection.recv(1)
