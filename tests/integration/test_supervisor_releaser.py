"""The real releaser, forked by a real supervisor, against a real server."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shoal.broker.broker import Broker
from shoal.broker.verify import verify
from shoal.clock import wall_ms
from shoal.model.identity import TaskIds
from tests.support.builders import settings_for, submission
from tests.support.fake_shard import REAL_RELEASER_VARIABLE
from tests.support.servers import RedisServer
from tests.support.supervised import Supervised
from tests.support.waiting import wait_until_async

PARTITIONS = 4
IDS = TaskIds(wall_ms, random.Random(1))


def _supervised(directory: Path, server: RedisServer) -> Supervised:
    env = {
        "REDIS_URL": server.url,
        "SHOAL_NAMESPACE": "t",
        "SHOAL_PARTITIONS": str(PARTITIONS),
        # Long enough that nothing here comes back because a lease has passed.
        "SHOAL_LEASE": "60s",
        "SHOAL_REDIS_TIMEOUT": "200ms",
        REAL_RELEASER_VARIABLE: "1",
    }
    return Supervised(directory, "work:1", shards=1, env=env)


@asynccontextmanager
async def _broker(server: RedisServer) -> AsyncIterator[Broker]:
    broker = await Broker.connect(settings_for(server.url, partitions=PARTITIONS))
    try:
        yield broker
        assert (await verify(broker)).ok
    finally:
        await broker.aclose()


async def _claim_in_its_name(broker: Broker, incarnation: str) -> None:
    """Two tasks in each partition, claimed as the fake shard, which claims nothing itself."""
    for partition in range(PARTITIONS):
        await broker.submit(partition, [submission(IDS.new(partition)) for _ in range(2)])
        claimed = await broker.claim(partition, incarnation, 1, 10)
        assert len(claimed.claims) == 2


async def _is_handed_back(broker: Broker) -> bool:
    counts = await broker.counts_by_state()
    return (counts["RUNNING"], counts["PENDING"]) == (0, 2 * PARTITIONS)


async def test_what_a_killed_shard_was_running_is_pending_again(
    tmp_path: Path, server: RedisServer
) -> None:
    """Kill -9 a shard: what it held in every partition can be claimed by others in a second."""
    async with _broker(server) as broker:
        with _supervised(tmp_path, server) as host:
            (ready,) = host.wait_for("ready", 1)
            await _claim_in_its_name(broker, ready["incarnation"])
            os.kill(ready["pid"], signal.SIGKILL)
            await wait_until_async(lambda: _is_handed_back(broker), "all is handed back", 1.0)
            host.process.wait_for_output(f"handed back {2 * PARTITIONS} tasks")


async def test_a_releaser_waits_for_redis(tmp_path: Path, redis7: RedisServer) -> None:
    """A shard that dies while Redis does not answer is handed back as soon as it answers again."""
    async with _broker(redis7) as broker:
        with _supervised(tmp_path, redis7) as host:
            (ready,) = host.wait_for("ready", 1)
            await _claim_in_its_name(broker, ready["incarnation"])
            redis7.stop_process()
            try:
                os.kill(ready["pid"], signal.SIGKILL)
                host.process.wait_for_output("can't be handed back yet")
                assert "handed back 8" not in host.process.stderr
            finally:
                redis7.continue_process()
            host.process.wait_for_output(f"of {ready['incarnation']}, ", 3.0)
            await wait_until_async(lambda: _is_handed_back(broker), "all is handed back", 2.0)


async def test_a_paused_partition_holds_up_no_other(tmp_path: Path, redis7: RedisServer) -> None:
    """While one partition is paused for a move the others' tasks go back; its own follow later."""
    async with _broker(redis7) as broker:
        with _supervised(tmp_path, redis7) as host:
            (ready,) = host.wait_for("ready", 1)
            await _claim_in_its_name(broker, ready["incarnation"])
            others = [0, 2, 3]
            number, found = dict.fromkeys(others, 0), dict.fromkeys(others, 0)
            await broker.pause_partition(1)
            os.kill(ready["pid"], signal.SIGKILL)

            async def others_are_back() -> bool:
                # By claiming: counters over all partitions can't be read while one is paused.
                for partition in others:
                    number[partition] += 1
                    claimed = await broker.claim(partition, "other-0.bbbbbb", number[partition], 9)
                    found[partition] += len(claimed.claims)
                return found == dict.fromkeys(others, 2)

            await wait_until_async(others_are_back, "the other partitions are done", 2.0)
            await broker.resume_partition(1)

            async def last_is_back() -> bool:
                return (await broker.counts_by_state())["PENDING"] == 2

            await wait_until_async(last_is_back, "the last is done", 3.0)
