"""The listening sockets of both ports."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

from shoal.config import Settings
from shoal.errors import ExitStatus, StartupError

#: Connections that may wait to be accepted.
BACKLOG = 1024


class Sockets(NamedTuple):
    """One for each port."""

    public: socket.socket
    admin: socket.socket


@contextlib.contextmanager
def open_sockets(settings: Settings, *, shared: bool = False) -> Iterator[Sockets]:
    """Bind both ports; not listening yet.

    Args:
        settings: The ports, and the address.
        shared: Whether other processes of ours bind the same ports (SO_REUSEPORT).

    Raises:
        StartupError: A port is taken, or may not be used.
    """
    with contextlib.ExitStack() as stack:
        bound = [
            stack.enter_context(_bind(settings.api.host, port, name, shared=shared))
            for port, name in (
                (settings.api.api_port, "API_PORT"),
                (settings.api.admin_port, "ADMIN_PORT"),
            )
        ]
        yield Sockets(*bound)


def check_free(settings: Settings) -> None:
    """Make sure that nobody has the ports: whoever shares them would not be noticed otherwise.

    Raises:
        StartupError: A port is taken, or may not be used.
    """
    with open_sockets(settings):
        pass


def _bind(host: str | None, port: int, name: str, *, shared: bool) -> socket.socket:
    has_both = host is None and socket.has_dualstack_ipv6()
    address = host or ("::" if has_both else "0.0.0.0")  # noqa: S104 - clients come from elsewhere
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # What the kernel still remembers of connections that are over must not hinder a restart.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not has_both)
        bound.bind((address, port))
        # Bound alone says little: with SO_REUSEADDR it is listening that finds another listener.
        if not shared:
            bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        is_taken = error.errno == errno.EADDRINUSE
        why = "it is in use" if is_taken else os.strerror(error.errno or 0).lower()
        raise StartupError(
            f"can't listen on port {port}: {why}",
            f"Choose another {name}, or end what uses it.",
            ExitStatus.SYSTEM,
        ) from None
    return bound
