"""The audit log and the operations begun over HTTP can be read, and stand where they are looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from shoal.broker import keys
from shoal.broker.audit import AuditRecord
from shoal.broker.tracked import OperationRecord, Progress
from shoal.broker.verify_report import Code, Finding
from shoal.broker.verify_walk import ask, scan, text
from shoal.model.partition import slot_of

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

_STATES = ("running", "finished", "stopped", "failed")
_SLICE = 1000


async def check_tracked(broker: Broker) -> list[Finding]:
    """Look at both; what two looks agree on is found."""
    first = [*await _audit(broker), *await _operations(broker)]
    if not first:
        return []
    again = [*await _audit(broker), *await _operations(broker)]
    return [finding for finding in first if finding in again]


async def _audit(broker: Broker) -> list[Finding]:
    key = keys.audit(broker.settings.namespace)
    node = broker.topology.node_of(slot_of(key))
    findings = []
    after = "-"
    while rows := await ask(node, "XRANGE", key, after, "+", "COUNT", _SLICE):
        for entry, fields in rows:
            try:
                msgspec.json.decode(
                    dict(zip(fields[0::2], fields[1::2], strict=True))[b"r"], type=AuditRecord
                )
            except (msgspec.MsgspecError, KeyError) as error:
                said = f"an entry can't be read: {error}"
                findings.append(Finding(Code.BAD_AUDIT, None, key, said, (text(entry),)))
        after = f"({text(rows[-1][0])}"
    return findings


async def _operations(broker: Broker) -> list[Finding]:
    by_start = keys.operations(broker.settings.namespace)
    node = broker.topology.node_of(slot_of(by_start))
    prefix = by_start.removesuffix("operations")
    listed = {text(name) for name in await ask(node, "ZRANGE", by_start, 0, -1)}
    findings = []
    async for found in scan(node, f"{prefix}operation:*"):
        for key in found:
            flat = await ask(node, "HGETALL", key)
            fields = {text(n): v for n, v in zip(flat[0::2], flat[1::2], strict=True)}
            operation_id = key.removeprefix(f"{prefix}operation:")
            wrong = _wrong(operation_id, fields) if fields else ""
            if fields and not wrong and operation_id not in listed and len(listed) < _SLICE:
                wrong = "it is not among all operations, so nobody goes on with it"
            if wrong:
                findings.append(Finding(Code.BAD_OPERATION, None, key, wrong, (operation_id,)))
    return findings


def _wrong(operation_id: str, fields: dict[str, bytes]) -> str:
    """What is wrong with one operation, or nothing."""
    try:
        record = msgspec.json.decode(fields["record"], type=OperationRecord)
        record.selection.checked(record.verb)
        if "progress" in fields:
            msgspec.json.decode(fields["progress"], type=Progress)
    except KeyError:
        return "it has no record"
    except (msgspec.MsgspecError, ValueError) as error:
        return f"its record can't be read: {error}"
    if record.id != operation_id:
        return "its record is of another"
    if text(fields.get("digest", b"")) != record.selection.digest(
        record.verb, record.reason, record.rate
    ):
        return "its digest is not that of its record"
    state = text(fields.get("state", b""))
    return "" if state in _STATES else f"its state is {state!r:.40}"
