"""The audit log: what operators did, who, when and to how much; the newest 10,000 entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

MAX_ENTRIES: Final = 10_000
#: The most that one read returns.
MAX_READ: Final = 500
#: Of one text in a record, in characters.
_MAX_TEXT = 400


class AuditRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that was done, or tried."""

    #: The principal's name, or ``cli:<user>@<host>``.
    who: str
    #: ``queue.purge``, ``worker.pause`` …
    action: str
    #: What it was done to; empty = see ``detail``.
    target: str = ""
    #: ``done``, or the code of the problem that it ended with.
    outcome: str = "done"
    #: The address that it came from; empty = from a command.
    address: str = ""
    #: What else is known: filter, counts, answers.
    detail: dict[str, Any] = {}


class AuditEntry(NamedTuple):
    """A record with its id, whose first part is when it was written in Unix ms."""

    id: str
    record: AuditRecord

    @property
    def at_ms(self) -> int:
        """When."""
        return int(self.id.partition("-")[0])


class AuditLog:
    """Writes and reads the audit log of a namespace.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._key = keys.audit(broker.settings.namespace)

    async def add(self, record: AuditRecord) -> None:
        """Note it."""
        record.target = record.target[:_MAX_TEXT]
        raw = msgspec.json.encode(record)
        await run_on(self._broker, self._key, "audit_add", raw, MAX_ENTRIES)

    async def read(self, limit: int = 50, before: str = "") -> list[AuditEntry]:
        """Entries, newest first.

        Args:
            limit: At most so many, and at most ``MAX_READ``.
            before: Only what was written before the entry with this id.
        """
        reply = await run_on(
            self._broker, self._key, "audit_read", before or "+", min(limit, MAX_READ)
        )
        return [
            AuditEntry(entry.decode(), msgspec.json.decode(raw, type=AuditRecord))
            for entry, raw in zip(reply[0::2], reply[1::2], strict=True)
        ]
