"""A real SMTP server on loopback that keeps what it is given in a Maildir.

It behaves as mail servers do: a recipient at ``greylisted.example`` is told to come back (451)
the first time, and one at ``unknown.example`` is refused for good (550).
"""

from __future__ import annotations

import asyncio
import mailbox
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class _Post:
    """What happens to mail; the methods' names are aiosmtpd's."""

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._box = mailbox.Maildir(folder, create=True)
        self._seen: set[str] = set()

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.endswith("@unknown.example"):
            return "550 5.1.1 no such mailbox"
        if address.endswith("@greylisted.example") and address not in self._seen:
            self._seen.add(address)
            return "451 4.7.1 greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self._box.add(envelope.content)
        return "250 2.0.0 delivered"


@asynccontextmanager
async def mail_server(folder: Path) -> AsyncIterator[str]:
    """Serve on a free port; gives ``host:port``.

    Args:
        folder: The Maildir; made when missing.
    """
    post = _Post(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(post, hostname="mail.example.com", loop=loop), "127.0.0.1", 0
    )
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
