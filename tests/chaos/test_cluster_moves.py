"""A partition of a cluster moves to a new master while everybody works."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shoal.broker.broker import Broker
from shoal.errors import BrokerUnavailable
from tests.chaos.cluster_field import PARTITIONS, six_nodes, submit_to
from tests.chaos.cluster_moves import add_master, move_slot, move_slot_whole, owner_of
from tests.chaos.load import Load, under_load
from tests.support.binaries import Kind
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until_async


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
