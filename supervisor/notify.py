"""Tells systemd how the supervisor is: ready, stopping, alive. Without systemd it does nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping

__all__ = ["Notifier"]


class Notifier:
    """Sends to the socket that ``NOTIFY_SOCKET`` names; a socket for each message, none kept."""

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        """Notify ``address``; None = nobody.

        Args:
            address: Path of a datagram socket; a leading ``@`` means Linux's abstract namespace.
            watchdog_s: Within how many seconds systemd wants a sign of life; None = it wants none.
        """
        self._address = address
        #: How often to call ``watchdog``, in seconds; None = never.
        self.watchdog_interval_s = watchdog_s / 2 if watchdog_s and address else None

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Read systemd's variables and remove them: they are meant for this process only."""
        address = environment.pop("NOTIFY_SOCKET", None)
        microseconds = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", "")
        watchdog_s = None
        if microseconds.isdigit() and pid in {"", str(os.getpid())}:
            watchdog_s = int(microseconds) / 1e6
        return cls(address, watchdog_s)

    def ready(self, status: str) -> None:
        """The first shard can claim."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        """The drain has begun."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """A sign of life, to be given only while there is progress."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A service manager that does not listen is no reason to stop working.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_systemd,
        ):
            to_systemd.setblocking(False)
            to_systemd.sendto(message.encode(), address)
