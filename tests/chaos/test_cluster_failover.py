"""A master of a cluster dies while everybody works."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos.cluster_field import PARTITIONS, by_master, six_nodes, submit_to
from tests.chaos.cluster_moves import in_step
from tests.chaos.load import under_load
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until_async


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
