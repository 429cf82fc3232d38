"""What the Redis servers of a deployment say of themselves, for metrics and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hiredis

from shoal.broker.resilience import error_for
from shoal.broker.startup import parse_info
from shoal.errors import ShoalError

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.node import Node

__all__ = ["ServerInfo", "describe_servers", "read_servers"]


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


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """One server, as INFO has it."""

    #: ``host:port`` or the path of its socket.
    address: str
    version: str
    #: In bytes.
    memory: int
    #: ``maxmemory``, or where there is none the memory of its machine, in bytes; 0 = not known.
    memory_limit: int
    #: Whether its ``maxmemory-policy`` lets it forget tasks.
    evicts: bool
    #: Whether what it was told survives a restart (``appendonly``).
    is_durable: bool


async def read_servers(broker: Broker) -> list[ServerInfo]:
    """Ask every server of the deployment.

    Raises:
        BrokerUnavailable: One does not answer.
    """
    return [await _read(node) for node in broker.topology.nodes()]


async def _read(node: Node) -> ServerInfo:
    await node.connected()
    info = await _info(node)
    return ServerInfo(
        address=str(node.address),
        version=_version(info),
        memory=int(info.get("used_memory", 0)),
        memory_limit=int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0)),
        evicts=info.get("maxmemory_policy", "noeviction") != "noeviction",
        is_durable=info.get("aof_enabled") == "1",
    )


async def describe_servers(broker: Broker) -> list[dict[str, Any]]:
    """Every master in use, by address; one that does not answer has ``error`` alone."""
    found = [await _describe(node) for node in broker.topology.nodes()]
    return sorted(found, key=lambda one: str(one["address"]))


async def _describe(node: Node) -> dict[str, Any]:
    document: dict[str, Any] = {"address": str(node.address)}
    try:
        info = await _info(node)
    except ShoalError as error:
        return document | {"error": str(error)}
    document["product"] = info.get("server_name", "redis")
    document |= {name: info.get(field, "") for field, name in _WORDS.items()}
    document |= {name: int(info.get(field, "0") or 0) for field, name in _NUMBERS.items()}
    document["version"] = _version(info)
    return document


async def _info(node: Node) -> dict[str, str]:
    reply = await node.call("INFO")
    if isinstance(reply, hiredis.ReplyError):
        raise error_for(str(reply))
    return parse_info(reply)


def _version(info: dict[str, str]) -> str:
    return info.get("valkey_version") or info.get("redis_version", "")
