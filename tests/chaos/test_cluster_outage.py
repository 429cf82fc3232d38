"""A part of a cluster is away: the rest works on, and what is said of it is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shoal.clock import wall_ms
from shoal.model.identity import task_id
from tests.chaos.cluster_field import NODE_TIMEOUT_MS, PARTITIONS, by_master, submit_to
from tests.chaos.host import LEASE_S
from tests.chaos.load import Load, under_load
from tests.chaos.test_redis_comes_back import api_on
from tests.support.api import Answer, Api
from tests.support.cluster import RedisCluster3
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until_async

#: Three requests' deadlines, their repeats, and what a busy machine adds.
ANSWERED_S = 5.0


@contextmanager
def three_masters() -> Iterator[RedisCluster3]:
    """Without replicas; they answer once they have written."""
    cluster = RedisCluster3("redis7", node_timeout_ms=NODE_TIMEOUT_MS)
    for node in cluster.nodes:
        node.configure(appendfsync="always")
    with cluster:
        yield cluster


async def _one_in_each(load: Load) -> dict[int, str]:
    """A task in each partition that has ended, by partition."""
    tasks = {n: task_id(n, wall_ms(), 7) for n in range(PARTITIONS)}
    for n, made in tasks.items():
        assert await submit_to(load, n, 1)
        await load.client.submit("work", 0.0, task_id=made)
        load.submissions.told.append(type(load.submissions.told[0])(made))
    return tasks


async def _get(api: Api, path: str) -> Answer:
    began_s = time.monotonic()
    answer = await asyncio.to_thread(api.get, path)
    assert time.monotonic() - began_s < ANSWERED_S
    return answer


async def _statuses(api: Api, tasks: dict[int, str]) -> dict[int, int]:
    """What reading each partition's task answers."""
    found = {}
    for n, made in tasks.items():
        answer = await _get(api, f"/api/v1/tasks/{made}")
        if answer.status != 200:
            assert answer.code == "broker_unavailable", answer.body
            assert int(answer.headers["retry-after"]) >= 1
        found[n] = answer.status
    return found


async def _says(api: Api, away: int) -> None:
    """Wait until health tells how many partitions are away; readiness stays."""

    async def says_so() -> bool:
        answer = await _get(api, "/health")
        return bool(answer.status == 200 and answer.json.get("partitions_away", 0) == away)

    await wait_until_async(says_so, f"health says that {away} partitions are away", 15)
    document = (await _get(api, "/health")).json
    assert document["redis"] == ("partly" if away else "connected")
    if away:
        assert document["status"] == "degraded"
    assert (await _get(api, "/readyz")).status == 200


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1, 2])
async def test_a_master_without_a_replica_dies(index: int, tmp_path: Path) -> None:
    """Its partitions answer 503 and no other does, whichever master it is; it comes back with all of it."""
    with three_masters() as cluster, api_on(cluster.cluster_url, PARTITIONS) as api:
        other = cluster.nodes[(index + 1) % 3].port
        async with under_load(
            cluster.cluster_url, Ledger(tmp_path / "l"), "a master without a replica killed",
            "redis7", partitions=PARTITIONS,
            final_url=cluster.cluster_url.replace(str(cluster.nodes[0].port), str(other)),
        ) as load:  # fmt: skip
            tasks = await _one_in_each(load)
            await _says(api, 0)
            its = by_master(await load.client.broker())[cluster.nodes[index].port]
            cluster.kill(index)
            await _says(api, len(its))
            expected = {n: 503 if n in its else 200 for n in range(PARTITIONS)}
            assert await _statuses(api, tasks) == expected
            accepted_ns = time.monotonic_ns()
            for number, n in enumerate(set(range(PARTITIONS)) - set(its)):
                assert await submit_to(load, n, 100 + number)
            assert not await submit_to(load, its[0], 200)

            def is_worked_on() -> bool:
                return len(load.tail.starts_since(accepted_ns)) >= PARTITIONS - len(its)

            await wait_until_async(is_worked_on, "the other partitions are worked on")
            await asyncio.sleep(LEASE_S)  # the fault itself
            await asyncio.to_thread(cluster.restart, index)
            await load.resumed(time.monotonic_ns())
            await _says(api, 0)
            assert set((await _statuses(api, tasks)).values()) == {200}
