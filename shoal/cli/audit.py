"""What operators do by commands goes into the same audit log as what they do over HTTP."""

from __future__ import annotations

import getpass
import logging
import socket
from typing import Any

from shoal.app import Shoal
from shoal.broker.audit import AuditLog, AuditRecord
from shoal.errors import ShoalError

log = logging.getLogger("shoal.cli")


async def note(app: Shoal, action: str, target: str = "", **detail: Any) -> None:
    """Note what was done; that it can't be noted changes nothing of it."""
    record = AuditRecord(who=_who(), action=action, target=target, detail=detail)
    try:
        await AuditLog(await app.broker()).add(record)
    except ShoalError as error:
        log.warning("the audit log can't be written: %s", error)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"  # a container may run as a number that has no name
    return f"cli:{user}@{socket.gethostname()}"
