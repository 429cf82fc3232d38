"""Metrics under fire: what the hosts and Redis counted, against what handlers did."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pytest

from shoal import Shoal
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.tail import LedgerTail, hurry
from tests.support.api import running_api
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.ports import reserve_port
from tests.support.scrape import Scraped, scrape
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

KILLS = 50
SHARDS = 4
CONCURRENCY = 10
WORK = 8_000
WORK_S = 0.3
#: A shard hands over what it counted at the first look after a second, and looks four times a second.
#: The rest is for the machine.
UNSCRAPED_S = 2.0


@pytest.mark.slow
async def test_fifty_kills_cost_the_sums_no_more_than_the_last_second(
    redis7: RedisServer, tmp_path: Path
) -> None:
    """What Redis counted is exact; what the host counted lacks at most each victim's last second.

    No run is counted twice, no victim's gauge is left, and each death is counted with its reason.
    """
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    victims: list[tuple[int, int]] = []
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        work = [handle.id for handle in await client.submit_many("work", [WORK_S] * WORK)]
        with (
            reserve_port() as port,
            Host(
                redis7.url,
                ledger,
                shards=SHARDS,
                concurrency=CONCURRENCY,
                SHOAL_METRICS_PORT=port.port,
            ) as host,
        ):
            await host.ready()
            for index in cycle(range(SHARDS)):
                if len(victims) == KILLS:
                    break

                def busy(index: int = index) -> int:
                    pid = host.places().get(index, 0)
                    return pid if tail.finished_by(pid) > CONCURRENCY else 0

                pid = await wait_until_async(busy, f"shard {index} has done something", 30)
                victims.append((pid, host.kill_shard(pid)))
            hurry(ledger)
            proof = await prove(
                client,
                [Submitted(task_id) for task_id in work],
                ledger,
                max_duplicate_runs=KILLS * 3 * CONCURRENCY,
            )
            finished = [e for e in ledger.read() if e.event == "finish"]
            unscraped = sum(
                at_ns - UNSCRAPED_S * 1e9 <= entry.monotonic_ns <= at_ns
                for pid, at_ns in victims
                for entry in finished
                if entry.pid == pid
            )

            def completed() -> float:
                return scrape(port.port).sum("shoal_tasks_completed_total", status="COMPLETED")

            await wait_until_async(
                lambda: completed() >= len(finished) - unscraped, "all is counted", 5
            )
            assert completed() <= len(finished)
            host_metrics = scrape(port.port)
        with running_api(redis7.url, env={"SHOAL_NAMESPACE": "t"}) as api:
            told = Scraped(api.get("/metrics").body.decode())
    # As prove has found: each task has one recorded result.
    assert told.sum("shoal_tasks_recorded_total", event="completed", type="work") == WORK
    assert told.sum("shoal_tasks_recorded_total", event="submitted", type="work") == WORK
    assert told.values("shoal_tasks", state="COMPLETED") == [WORK]
    interrupted = sum(len(proof.interruptions(task_id)) for task_id in work)
    assert told.sum("shoal_tasks_recorded_total", event="interrupted") == interrupted
    assert host_metrics.sum("shoal_tasks_released_total") == interrupted
    assert host_metrics.sum("shoal_shard_restarts_total") == KILLS
    assert host_metrics.sum("shoal_shard_exits_total", reason="killed") == KILLS
    assert host_metrics.sum("shoal_event_loop_blocked_seconds") == 0
    pickups = host_metrics.sum("shoal_task_pickup_seconds_count")
    assert pickups == host_metrics.sum("shoal_task_pickup_seconds_count", priority="NORMAL") > 0
    assert host_metrics.sum("shoal_redis_call_seconds_count", verb="settle") > 0
