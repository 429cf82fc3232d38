"""``shoal up`` as the demonstration starts it: on which ports, with which key."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.http_client import HttpClient
from shoal.config import Settings
from shoal.embedded.tether import tethered

_START_TIMEOUT_S = 60.0
#: How many ports after the usual one are tried.
_PORTS_TRIED = 100
_LOOPBACK = "127.0.0.1"


class StartFailed(Exception):
    """``shoal up`` ended, or was not up in time; it has said why itself."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Doors:
    """Where the API will listen."""

    host: str
    api_port: int
    admin_port: int

    @property
    def url(self) -> str:
        """Of clients."""
        return f"http://{self._address}:{self.api_port}"

    @property
    def admin_url(self) -> str:
        """Of operators."""
        return f"http://{self._address}:{self.admin_port}"

    @property
    def _address(self) -> str:
        # A number and no name: a name may lead to another server, on ::1.
        address = {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"[{address}]" if ":" in address else address


def choose_doors(settings: Settings, say: Callable[[str], None]) -> Doors:
    """The ports of the settings; where nobody chose one and the usual one is taken, the next free.

    The API of the demonstration is for this machine only, unless SHOAL_API_HOST says otherwise.

    Args:
        settings: Of this process.
        say: Is told of a port that is not the usual one.
    """
    host = settings.api.host or _LOOPBACK
    taken: set[int] = set()
    ports = []
    for name, port in (
        ("API_PORT", settings.api.api_port),
        ("ADMIN_PORT", settings.api.admin_port),
    ):
        chosen = port if os.environ.get(name) else free_port(host, port, taken)
        if chosen != port:
            say(f"Port {port} is in use: taking {chosen}. {name} chooses another.")
        taken.add(chosen)
        ports.append(chosen)
    return Doors(host, *ports)


def free_port(host: str, wanted: int, taken: set[int]) -> int:
    """The first port from ``wanted`` on that is free and not ``taken``; ``wanted`` if none is."""
    for port in range(wanted, min(wanted + _PORTS_TRIED, 65_536)):
        if port in taken:
            continue
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            socket.create_server((host, port), family=family).close()
        except OSError:
            continue
        return port
    return wanted


@asynccontextmanager
async def shoal_up(
    data_dir: Path, doors: Doors, smtp: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """``shoal up`` as a child that ends with this process, however it ends."""
    command = [sys.executable, "-m", "shoal", "up", "examples.app:app", "--data-dir", str(data_dir)]
    environment = {
        "LOG_LEVEL": "warning",
        **os.environ,
        "EXAMPLE_SMTP": smtp,
        "SHOAL_API_HOST": doors.host,
        "API_PORT": str(doors.api_port),
        "ADMIN_PORT": str(doors.admin_port),
    }
    environment.pop("REDIS_URL", None)
    process = await asyncio.create_subprocess_exec(
        *tethered(command, signal.SIGTERM),
        env=environment,
        process_group=0,  # Ctrl-C is for this process, which ends the others in their order
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def api_key(data_dir: Path, settings: Settings, up: asyncio.subprocess.Process) -> str:
    """API_KEY, or the key that ``shoal up`` makes and keeps.

    Raises:
        StartFailed: ``shoal up`` ended, or made none in time.
    """
    if settings.api.api_key is not None:
        return settings.api.api_key
    file = data_dir / "api.key"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and up.returncode is None:
        if file.exists():
            return file.read_text("utf-8").strip()
        await asyncio.sleep(0.05)
    raise StartFailed(up.returncode or 1)


async def until_ready(client: HttpClient, up: asyncio.subprocess.Process) -> None:
    """Wait until the API takes tasks.

    Raises:
        StartFailed: ``shoal up`` ended, or was not ready in time.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and up.returncode is None:
        if await client.is_ready():
            return
        await asyncio.sleep(0.05)
    raise StartFailed(up.returncode or 1)
