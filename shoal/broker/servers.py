"""What the Redis servers behind a deployment say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoal.broker.startup import parse_info
from shoal.errors import BrokerUnavailable

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.node import Node

#: Field of INFO → what it is called here, as a number.
_NUMBERS = {
    "uptime_in_seconds": "uptime",
    "connected_clients": "clients",
    "connected_slaves": "replicas",
    "used_memory": "memory",
    "maxmemory": "max_memory",
    "evicted_keys": "evicted",
    "instantaneous_ops_per_sec": "commands",
    "aof_enabled": "aof",
    "rdb_changes_since_last_save": "unsaved",
}
#: The same as words.
_WORDS = {
    "redis_version": "version",
    "role": "role",
    "redis_mode": "mode",
    "maxmemory_policy": "policy",
    "aof_last_write_status": "aof_status",
    "mem_fragmentation_ratio": "fragmentation",
}


async def describe_servers(broker: Broker) -> list[dict[str, Any]]:
    """Every master in use, by address; one that does not answer has ``error`` alone."""
    found = [await _describe(node) for node in broker.topology.nodes()]
    return sorted(found, key=lambda one: str(one["address"]))


async def _describe(node: Node) -> dict[str, Any]:
    document: dict[str, Any] = {"address": str(node.address)}
    try:
        reply = await node.call("INFO")
    except BrokerUnavailable as error:
        return document | {"error": str(error)}
    if not isinstance(reply, bytes):
        return document | {"error": str(reply)}
    info = parse_info(reply)
    document["product"] = info.get("server_name", "redis")
    document |= {name: info.get(field, "") for field, name in _WORDS.items()}
    document |= {name: int(info.get(field, "0") or 0) for field, name in _NUMBERS.items()}
    if "valkey_version" in info:
        document["version"] = info["valkey_version"]
    return document
