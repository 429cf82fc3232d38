"""Every API key can be read and told, and nothing is kept of one that is gone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from shoal.broker import keys
from shoal.broker.verify_report import Code, Finding
from shoal.broker.verify_walk import ask, text
from shoal.model.api_key import MAX_API_KEYS, ApiKeyRecord, check_key_id, check_key_name
from shoal.model.partition import slot_of
from shoal.model.role import Role, parse_scopes

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

_DIGEST = re.compile(r"[0-9a-f]{64}")


async def check_access(broker: Broker) -> list[Finding]:
    """Look at the API keys; what two looks agree on is found."""
    first = await _look(broker)
    if not first:
        return []
    again = await _look(broker)
    return [finding for finding in first if finding in again]


async def _look(broker: Broker) -> list[Finding]:
    key = keys.api_keys(broker.settings.namespace)
    node = broker.topology.node_of(slot_of(key))
    flat = await ask(node, "HGETALL", key)
    records = {text(name): raw for name, raw in zip(flat[0::2], flat[1::2], strict=True)}
    used = [text(name) for name in await ask(node, "HKEYS", f"{key}_used")]
    findings = [
        Finding(Code.BAD_API_KEY, None, key, wrong, (key_id,))
        for key_id, raw in sorted(records.items())
        if (wrong := _wrong(key_id, raw))
    ]
    if len(records) > MAX_API_KEYS:
        said = f"there are {len(records)} keys, and at most {MAX_API_KEYS} may be"
        findings.append(Finding(Code.BAD_API_KEY, None, key, said))
    findings += [
        Finding(Code.BAD_API_KEY, None, f"{key}_used", "it names a key that is gone", (key_id,))
        for key_id in sorted(set(used) - records.keys())
    ]
    return findings


def _wrong(key_id: str, raw: bytes) -> str:
    """What is wrong with one key, or nothing."""
    try:
        record = msgspec.json.decode(raw, type=ApiKeyRecord)
        check_key_id(record.id)
        check_key_name(record.name)
        Role.parse(record.role)
        parse_scopes(record.scopes)
    except (msgspec.MsgspecError, ValueError) as error:
        return f"the record of key {key_id!r:.40} can't be read: {error}"
    if record.id != key_id:
        return f"the record of key {key_id!r:.40} is of another"
    if not _DIGEST.fullmatch(record.digest):
        return f"key {key_id} has no digest, so nobody can use it"
    return ""
