"""What is checked of a server before any task is trusted to it, and what a namespace agrees on."""

import logging
from dataclasses import dataclass
from typing import Any

import hiredis

from shoal.broker import keys
from shoal.broker.node import Node
from shoal.broker.resilience import error_for
from shoal.broker.scripts import script
from shoal.config import Settings
from shoal.errors import ExitStatus, StartupError

#: The version of the key layout that this release writes.
SCHEMA = 1

log = logging.getLogger("shoal.broker")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What all processes of a namespace share, from ``{ns}:settings``.

    Attributes:
        serve: Partitions that workers serve.
        submit: Partitions that submissions go to.
        key_partitions: What keys hash over; never changes.
        epoch: Rises whenever one of them changes.
    """

    serve: int
    submit: int
    key_partitions: int
    epoch: int


def parse_info(text: bytes) -> dict[str, str]:
    """The fields of an INFO reply."""
    pairs = (line.partition(":") for line in text.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}


def check_server(info: dict[str, str], address: str) -> None:
    """Refuse a server that would lose tasks or lacks what the scripts use.

    Raises:
        StartupError: Too old, or it may evict keys.
    """
    version = info.get("redis_version", "0")
    if int(version.split(".")[0]) < 7:
        raise StartupError(
            f"Redis at {address} is version {version}, and Shoal needs 7.0",
            "Use Redis 7.0 or later, or Valkey 8 or later.",
            ExitStatus.CONFIGURATION,
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise StartupError(
            f"Redis at {address} has maxmemory-policy {policy}, so it may evict tasks",
            "Set it: CONFIG SET maxmemory-policy noeviction (and in redis.conf).",
            ExitStatus.EVICTION_POLICY,
        )
    if info.get("aof_enabled") == "0":
        log.warning(
            "Redis at %s has appendonly off: a restart loses tasks; set appendonly yes", address
        )


async def check_node(node: Node) -> dict[str, str]:
    """Check one server, see :func:`check_server`, and return what INFO says of it.

    Raises:
        StartupError: It is not fit.
        BrokerUnavailable: It does not answer.
    """
    await node.connected()
    fields: dict[str, str] = {}
    for section in ("server", "memory", "persistence", "cluster"):
        reply = await node.call("INFO", section)
        if isinstance(reply, hiredis.ReplyError):
            raise error_for(str(reply))
        fields |= parse_info(reply)
    check_server(fields, str(node.address))
    return fields


async def open_namespace(node: Node, settings: Settings) -> Agreed:
    """Read what the namespace agrees on; the first start writes it.

    Raises:
        StartupError: The schema is newer than this release may write.
        BrokerUnavailable: No answer.
    """
    opening = script("settings_open")
    key = keys.settings(settings.namespace)
    reply: Any = await node.call("EVAL", opening.source, 1, key, settings.partitions, SCHEMA)
    if isinstance(reply, hiredis.ReplyError):
        raise error_for(str(reply))
    serve, submit, key_partitions, epoch, schema, oldest = (int(field) for field in reply)
    if oldest > SCHEMA:
        raise StartupError(
            f"the namespace {settings.namespace!r} has schema {schema} and takes writers from "
            f"schema {oldest}; this release writes {SCHEMA}",
            "Upgrade Shoal on this host.",
            ExitStatus.CONFIGURATION,
        )
    return Agreed(serve, submit, key_partitions, epoch)
