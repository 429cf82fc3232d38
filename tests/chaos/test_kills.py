"""Shards killed in the middle of load: their tasks run again at once, and are none the worse for it."""

from __future__ import annotations

import random
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest

from shoal import Shoal
from shoal.broker.broker import Broker
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.kill import Recovery, claimed_by, describe, kill_and_recover, percentile_95
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.tail import LedgerTail, hurry
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

KILLS = 30
BACKLOG = 100_000
CONCURRENCY = 20
#: How long tasks take, in seconds: differently long, so that a shard is always in the middle of some.
#: What must wait until slots are free a few times comes too late.
WORK_S = (0.3, 0.7)
#: More than can run while 30 shards are killed one after the other.
WORK = 12_000


async def _is_waiting(broker: Broker, at_least: int) -> bool:
    return sum(sum(depths) for depths in await broker.depths()) >= at_least


@pytest.mark.slow
async def test_thirty_kills_under_a_backlog_of_100000(redis7: RedisServer, tmp_path: Path) -> None:
    """Kill -9, thirty times, 100,000 waiting: what ran runs again in a second, uncharged, with one result.

    The last one has a claim in flight whose reply never arrives: those tasks come back as well.
    """
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    rng = random.Random(30)
    recoveries: list[Recovery] = []
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        broker = await client.broker()
        lengths = [rng.uniform(*WORK_S) for _ in range(WORK)]
        work = [handle.id for handle in await client.submit_many("work", lengths)]
        # Behind the work, in the same queue at the same priority.
        filler = [handle.id for handle in await client.submit_many("filler", [None] * BACKLOG)]
        with (
            Proxy(redis7.port) as proxy,
            Host(redis7.url, ledger, concurrency=CONCURRENCY) as host,
            Host(
                proxy.url,
                ledger,
                "proxied",
                shards=1,
                concurrency=CONCURRENCY,
                SHOAL_REDIS_TIMEOUT="3s",
                SHOAL_LEASE="9s",
            ) as proxied,
        ):
            await host.ready()
            await proxied.ready()
            for index in cycle(range(host.shards)):
                if len(recoveries) == KILLS - 1:
                    break
                assert await _is_waiting(broker, BACKLOG)
                pid = await _busy_shard(host, index, tail)
                recoveries.append(await kill_and_recover(host, pid, tail))
            pid = await _busy_shard(proxied, 0, tail)
            incarnation = proxied.incarnations()[pid]
            proxy.hold_replies()

            def in_flight() -> frozenset[str]:
                claimed = claimed_by(redis7, broker, incarnation)
                return frozenset(i for i in claimed if not tail.has_started(i))

            unknown = await wait_until_async(in_flight, "a claim is answered and does not arrive")
            assert await _is_waiting(broker, BACKLOG)
            proxied_recovery = kill_and_recover(proxied, pid, tail, unknown)
            proxy.release_replies()
            recoveries.append(await proxied_recovery)
            hurry(ledger)
            times = [recovery.seconds for recovery in recoveries]
            print(describe(times))  # noqa: T201 - the measurement itself
            lost = Counter(task_id for recovery in recoveries for task_id in recovery.tasks)
            proof = await prove(
                client,
                [Submitted(task_id) for task_id in work],
                ledger,
                unrecorded=filler,
                # What ran, and what had ended and was not recorded yet.
                max_duplicate_runs=KILLS * 3 * CONCURRENCY,
                timeout_s=120,
            )
    record(
        "a shard killed, 100,000 waiting",
        "redis7",
        tasks=len(proof.tasks),
        again=sum(proof.duplicate_runs.values()),
        recovery_s=times,
    )
    proof.assert_uncharged(lost, {"killed"})
    for task_id, times_lost in lost.items():
        assert len(proof.interruptions(task_id)) >= times_lost
    assert percentile_95(times) < 1.0, describe(times)
    assert max(times) < 2.0, describe(times)


async def _busy_shard(host: Host, index: int, tail: LedgerTail) -> int:
    """The process in a place, once three quarters of its slots are at work for the second time.

    So it has done something, and its death does not look like one of a shard that can't live.
    """

    def busy() -> int:
        pid = host.places().get(index, 0)
        is_busy = len(tail.running(pid)) >= CONCURRENCY * 3 // 4
        return pid if is_busy and tail.finished_by(pid) > CONCURRENCY else 0

    return await wait_until_async(busy, f"shard {index} is in the middle of work", 30)
