"""What a server of the deployment says of itself: memory, and whether it might forget tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import hiredis

from shoal.broker.resilience import error_for
from shoal.broker.startup import parse_info

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.node import Node

__all__ = ["ServerInfo", "read_servers"]


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
    sent = [node.call("INFO", section) for section in ("server", "memory", "persistence")]
    fields: dict[str, str] = {}
    for call in sent:
        reply = await call
        if isinstance(reply, hiredis.ReplyError):
            raise error_for(str(reply))
        fields |= parse_info(reply)
    return ServerInfo(
        address=str(node.address),
        version=fields.get("valkey_version") or fields.get("redis_version", ""),
        memory=int(fields.get("used_memory", 0)),
        memory_limit=int(fields.get("maxmemory", 0)) or int(fields.get("total_system_memory", 0)),
        evicts=fields.get("maxmemory_policy", "noeviction") != "noeviction",
        is_durable=fields.get("aof_enabled") == "1",
    )
