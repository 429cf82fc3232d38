"""What operators do to a cluster: promote a replica, add a master, move a slot."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.support.cluster import ClusterNodeServer, RedisCluster3
from tests.support.waiting import wait_until_async

_KEYS_A_MOVE = 100
_MOVE_TIMEOUT_MS = 5000
#: Redis gives a failover up after 5 s.
_FAILOVER_S = 5.5


async def promote(replica: ClusterNodeServer) -> None:
    """Let a replica take its master's place in order; returns when it has.

    A failover soon after another may time out in Redis after 5 s; it is then to be asked for again.
    """
    asked_s = 0.0

    def is_master() -> bool:
        nonlocal asked_s
        if replica.is_master():
            return True
        if time.monotonic() > asked_s + _FAILOVER_S:
            with replica.client() as client:
                client.execute_command("CLUSTER", "FAILOVER")
            asked_s = time.monotonic()
        return False

    await wait_until_async(is_master, f"{replica.url} is promoted", 4 * _FAILOVER_S)


async def in_step(replica: ClusterNodeServer) -> None:
    """Wait until a node follows a master and has all that it had."""

    def follows() -> bool:
        with replica.client(decode=True) as client:
            info = client.info("replication")
        return bool(info["role"] == "slave" and info["master_link_status"] == "up")

    await wait_until_async(follows, f"{replica.url} follows", 20)


async def add_master(cluster: RedisCluster3) -> ClusterNodeServer:
    """A further node without slots; it belongs to the cluster from here on, its closing too."""
    node = ClusterNodeServer(cluster.kind, node_timeout_ms=1000)
    cluster.nodes.append(node)
    await asyncio.to_thread(node.start)
    cluster.nodes[0].meet(node)
    await asyncio.to_thread(cluster.wait_until_formed)
    return node


def owner_of(cluster: RedisCluster3, slot: int) -> ClusterNodeServer:
    """The master that has a slot now."""
    with cluster.nodes[0].client(decode=True) as plain:
        client: Any = plain
        rows = client.execute_command("CLUSTER", "SLOTS")
    for row in _rows(rows):
        if row[0] <= slot <= row[1]:
            return next(node for node in cluster.nodes if node.port == row[2])
    raise AssertionError(f"nobody has slot {slot}")


def _rows(reply: Any) -> list[tuple[int, int, int]]:
    # redis-py parses it into a dict, raw servers answer with a list.
    if isinstance(reply, dict):
        return [(first, last, found["primary"][1]) for (first, last), found in reply.items()]
    return [(row[0], row[1], row[2][1]) for row in reply]


async def move_slot(
    cluster: RedisCluster3, slot: int, target: ClusterNodeServer, *, replace: bool = False
) -> None:
    """Key by key, as ``redis-cli --cluster reshard`` does it: the only way before Valkey 9.

    Args:
        cluster: Whose.
        slot: Which.
        target: Where to.
        replace: Whether a key that is there already is overwritten (``--cluster-replace``).
    """
    address = ("MIGRATE", target.host, target.port, "", 0, _MOVE_TIMEOUT_MS)
    how = (*address, *(("REPLACE",) if replace else ()), "KEYS")
    source = owner_of(cluster, slot)
    with source.client() as from_, target.client() as to:
        to.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id())
        from_.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id())
        while keys := from_.execute_command("CLUSTER", "GETKEYSINSLOT", slot, _KEYS_A_MOVE):
            await asyncio.to_thread(from_.execute_command, *how, *keys)
        for client in (to, from_):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target.id())
    await wait_until_async(lambda: owner_of(cluster, slot) is target, "all know who has the slot")


async def move_slot_whole(cluster: RedisCluster3, slot: int, target: ClusterNodeServer) -> None:
    """At once, as Valkey 9 does it."""
    source = owner_of(cluster, slot)
    with source.client() as client:
        client.execute_command(
            "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.id()
        )
    await wait_until_async(
        lambda: owner_of(cluster, slot) is target, "the slot has moved", 30, interval_s=0.05
    )
