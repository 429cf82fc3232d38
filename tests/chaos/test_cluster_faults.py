"""A cluster with replicas at work: a master dies, masters change places, a partition moves to a new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shoal.broker.broker import Broker
from shoal.clock import wall_ms
from shoal.errors import BrokerUnavailable
from shoal.model.identity import task_id
from tests.chaos.cluster_moves import (
    add_master,
    in_step,
    move_slot,
    move_slot_whole,
    owner_of,
    promote,
)
from tests.chaos.load import Load, under_load
from tests.support.binaries import Kind
from tests.support.checker import Submitted
from tests.support.cluster import MASTERS, RedisCluster3
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until_async

PARTITIONS = 16
NODE_TIMEOUT_MS = 1000
FAILOVERS = 10


@contextmanager
def six_nodes(kind: Kind) -> Iterator[RedisCluster3]:
    """Three masters with a replica each, that answer once they have written."""
    cluster = RedisCluster3(kind, replicas=True, node_timeout_ms=NODE_TIMEOUT_MS)
    for node in cluster.nodes:
        node.configure(appendfsync="always")
    with cluster:
        yield cluster


async def submit_to(load: Load, partition: int, sequence: int) -> bool:
    """One submission to a partition; whether it was accepted."""
    made = task_id(partition, wall_ms(), sequence)
    try:
        await load.client.submit("work", 0.0, task_id=made)
    except BrokerUnavailable as error:
        told = Submitted(made, "unknown" if error.outcome_unknown else "failed")
        load.submissions.told.append(told)
        return False
    load.submissions.told.append(Submitted(made))
    return True


def by_master(broker: Broker) -> dict[int, list[int]]:
    """The partitions of each master, by its port."""
    found: dict[int, list[int]] = {}
    for n in range(PARTITIONS):
        found.setdefault(broker.node_of_partition(n).address.port, []).append(n)
    return found


@pytest.mark.slow
async def test_a_master_with_a_replica_dies(tmp_path: Path) -> None:
    """Kill -9: the other masters' partitions go on, its own do when its replica is promoted."""
    with six_nodes("redis7") as cluster:
        async with under_load(
            cluster.cluster_url, Ledger(tmp_path / "l"), "a master killed, its replica promoted",
            "redis7", partitions=PARTITIONS, final_url=cluster.cluster_url.replace(
                str(cluster.nodes[0].port), str(cluster.nodes[1].port)
            ),
        ) as load:  # fmt: skip
            broker = await load.client.broker()
            partitions = by_master(broker)
            its = partitions.pop(cluster.nodes[0].port)
            others = [n for many in partitions.values() for n in many]
            load.is_forgetful = True
            # What it had answered and not yet passed on, at the rate of this load.
            load.max_lost, load.max_duplicate_runs = 20, 100
            began_s = time.monotonic()
            cluster.kill(0)
            assert not await submit_to(load, its[0], 1)
            for number, n in enumerate(others):
                assert await submit_to(load, n, 2 + number)
            assert time.monotonic() - began_s < 5

            number = 100

            async def is_served() -> bool:
                nonlocal number
                number += 1
                return await submit_to(load, its[0], number)

            await wait_until_async(is_served, "its partitions are served", 20)
            load.recoveries.append(time.monotonic() - began_s)
            await asyncio.to_thread(cluster.nodes[0].start)
            await in_step(cluster.nodes[0])
        assert load.recoveries[0] < 10


@pytest.mark.slow
async def test_masters_change_places(tmp_path: Path) -> None:
    """Ten failovers in order, back and forth: nothing is lost, and nothing runs twice."""
    with six_nodes("redis7") as cluster:
        async with under_load(
            cluster.cluster_url, Ledger(tmp_path / "l"), "ten failovers in order", "redis7",
            partitions=PARTITIONS,
        ) as load:  # fmt: skip
            master, replica = cluster.nodes[0], cluster.nodes[MASTERS]
            for _ in range(FAILOVERS):
                await in_step(replica)
                began_ns = time.monotonic_ns()
                await promote(replica)
                await load.resumed(began_ns)
                master, replica = replica, master
        assert max(load.recoveries) < 5.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["redis7", "valkey"])
async def test_a_partition_moves_to_a_new_master(kind: Kind, tmp_path: Path) -> None:
    """Under load: on Redis 7 while the partition is paused, on Valkey 9 as it is; nothing lost or twice."""
    with six_nodes(kind) as cluster:
        fault = "a partition moved, paused" if kind == "redis7" else "a partition moved at once"
        async with under_load(
            cluster.cluster_url, Ledger(tmp_path / "l"), fault, kind, partitions=PARTITIONS
        ) as load:
            broker = await load.client.broker()
            target = await add_master(cluster)
            slot = broker.keys[0].slot
            began_ns = time.monotonic_ns()
            if kind == "redis7":
                await broker.pause_partition(0)
                await move_slot(cluster, slot, target)
                # The marker that says so has moved along.
                await _resume(broker)
            else:
                await move_slot_whole(cluster, slot, target)
            await load.resumed(began_ns)
            assert await _accepts(load)
            assert owner_of(cluster, slot) is target


async def _resume(broker: Broker) -> None:
    async def resumed() -> bool:
        try:
            await broker.resume_partition(0)
        except BrokerUnavailable:
            return False
        return True

    await wait_until_async(resumed, "the partition is resumed")


async def _accepts(load: Load) -> bool:
    number = 1000

    async def accepts() -> bool:
        nonlocal number
        number += 1
        return await submit_to(load, 0, number)

    return await wait_until_async(accepts, "the moved partition takes submissions")
