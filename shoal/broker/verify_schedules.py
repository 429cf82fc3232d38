"""Every schedule can tick, and stands where ticks are looked for."""

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from shoal.broker import keys
from shoal.broker.verify_report import Code, Finding
from shoal.broker.verify_walk import ask, scan, text
from shoal.model.cron import check_cron, next_tick
from shoal.model.partition import slot_of
from shoal.model.schedule import ScheduleRecord

if TYPE_CHECKING:
    from shoal.broker.broker import Broker


async def check_schedules(broker: "Broker") -> list[Finding]:
    """Compare hashes, ids and next ticks; what two looks agree on is found."""
    first = await _look(broker)
    if not first:
        return []
    again = {(finding.key, finding.sentence) for finding in await _look(broker)}
    return [finding for finding in first if (finding.key, finding.sentence) in again]


async def _look(broker: "Broker") -> list[Finding]:
    by_next = keys.schedules(broker.settings.namespace)
    node = broker.topology.node_of(slot_of(by_next))
    prefix = by_next.removesuffix("schedules")
    reply = await ask(node, "ZRANGE", by_next, 0, -1, "WITHSCORES")
    scores = {text(name): text(at) for name, at in zip(reply[0::2], reply[1::2], strict=True)}
    ids = {text(name) for name in await ask(node, "SMEMBERS", f"{prefix}schedule_ids")}
    ids |= scores.keys()
    # A hash that no set names is sought by its key.
    async for found in scan(node, f"{prefix}schedule:*"):
        ids |= {key.removeprefix(f"{prefix}schedule:") for key in found}
    listed = {text(name) for name in await ask(node, "SMEMBERS", f"{prefix}schedule_ids")}
    findings = []
    for schedule_id in sorted(ids):
        key = f"{prefix}schedule:{schedule_id}"
        flat = await ask(node, "HGETALL", key)
        fields = {text(n): v for n, v in zip(flat[0::2], flat[1::2], strict=True)}
        wrong = _wrong(schedule_id, fields, scores.get(schedule_id))
        if not wrong and schedule_id not in listed:
            wrong = "it is not among the ids of all schedules"
        if wrong:
            findings.append(Finding(Code.BAD_SCHEDULE, None, key, wrong, (schedule_id,)))
    return findings


def _wrong(schedule_id: str, fields: dict[str, Any], score: str | None) -> str:
    """What is wrong with one schedule, or nothing."""
    raw = fields.get("record")
    if raw is None:
        return "it is named, and has no record"
    try:
        record = msgspec.json.decode(raw, type=ScheduleRecord)
        check_cron(record.cron, record.tz)
    except (msgspec.MsgspecError, ValueError) as error:
        return f"its record can't be read: {error}"
    at = text(fields.get("next", b""))
    wanted = None if "paused" in fields or not at else at
    faults = {
        f"its record is of {record.id}": record.id != schedule_id,
        "its digest is not that of its record": text(fields.get("digest", b""))
        != hashlib.sha256(raw).hexdigest()[:32],
        f"its next tick {at} is no tick of {record.cron} {record.tz}": at != ""
        and not _is_tick(record, at),
        f"it is looked at {score or 'never'}, and its next tick is {wanted or 'not to come'}": score
        != wanted,
    }
    return next((sentence for sentence, is_so in faults.items() if is_so), "")


def _is_tick(record: ScheduleRecord, at: str) -> bool:
    return at.isdigit() and next_tick(record.cron, record.tz, int(at) - 1) == int(at)
