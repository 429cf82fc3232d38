"""Shards die while they run and deliver a graph: every task runs, and none before what it depends on."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from shoal import Shoal
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.tail import LedgerTail
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

LAYERS = 8
WIDTH = 30
KILLS = 4


@pytest.mark.timeout(180)
async def test_shards_killed_in_a_graph(redis7: RedisServer, tmp_path: Path) -> None:
    """240 tasks in eight layers, each after three of the layer before, in all partitions, and four kills."""
    ledger, rng = Ledger(tmp_path / "ledger"), Random(7)
    tail = LedgerTail(ledger)
    parents: dict[str, list[str]] = {}
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with Host(redis7.url, ledger, shards=3) as host:
            await host.ready()
            layer = [h.id for h in await client.submit_many("work", [0.3] * WIDTH)]
            parents |= {task_id: [] for task_id in layer}
            for _ in range(LAYERS - 1):
                above, layer = layer, []
                for _ in range(WIDTH):
                    chosen = rng.sample(above, 3)
                    child = await client.submit("work", 0.1, depends_on=chosen)
                    parents[child.id] = chosen
                    layer.append(child.id)
            for kill in range(1, KILLS + 1):
                await wait_until_async(
                    lambda n=kill * WIDTH: tail.finishes >= n,  # type: ignore[misc]
                    "more of it has run",
                    60,
                )
                await host.ready()
                pid = rng.choice(sorted(host.incarnations()))
                host.kill_shard(pid)
                tail.forget(pid)
            tasks = list(parents)
            proof = await prove(
                client, list(map(Submitted, tasks)), ledger, max_duplicate_runs=KILLS * 20 * 3
            )
    record(
        "shards killed in a graph of dependencies",
        "redis7",
        tasks=len(tasks),
        again=sum(proof.duplicate_runs.values()),
    )
    started: dict[str, int] = {}
    finished: dict[str, int] = {}
    for entry in ledger.read():
        known = {"start": started, "finish": finished}.get(entry.event, {})
        known.setdefault(entry.task_id, entry.monotonic_ns)
    for task_id, those in parents.items():
        for parent in those:
            assert finished[parent] <= started[task_id]
