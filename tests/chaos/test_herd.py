"""Many workers that start at once."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from shoal import Shoal
from shoal.broker.registry import Registry
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.tail import hurry
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

SHARDS = 100
#: A shard keeps one connection for claims, one to be woken, and one for its leases; it opens no more
#: than one other for a moment when it starts.
CONNECTIONS_PER_SHARD = 4
#: Idle, a shard asks each partition once a second, and renews and reads who is live on top of that.
CALLS_PER_SHARD = 2.5 * PARTITIONS
_SECONDS = 5


def _script_calls(server: RedisServer) -> int:
    with server.client() as client:
        stats = client.info("commandstats")
    return sum(
        figures["calls"] for name, figures in stats.items() if re.search("evalsha|fcall", name)
    )


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_hundred_shards_start_at_once(redis7: RedisServer, tmp_path: Path) -> None:
    """No herd and no error: connections and calls are bounded by the number of shards, and all of them work."""
    ledger = Ledger(tmp_path / "ledger")
    hurry(ledger)
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with (
            Proxy(redis7.port) as proxy,
            Host(
                proxy.url,
                ledger,
                shards=SHARDS,
                concurrency=10,
                SHOAL_LEASE="15s",
                # So many on few cores: a slow answer is the machine's, and not what this is about.
                SHOAL_THROTTLE_LATENCY="30s",
                WORKER_HEARTBEAT_INTERVAL="5s",
            ) as host,
        ):
            await host.ready()
            assert len(await Registry(await client.broker()).live_names()) == SHARDS
            assert proxy.accepted <= SHARDS * CONNECTIONS_PER_SHARD, proxy.accepted
            before = _script_calls(redis7)
            began_s = time.monotonic()
            await wait_until_async(
                lambda: time.monotonic() - began_s > _SECONDS, "some time is over", 2 * _SECONDS
            )
            calls = (_script_calls(redis7) - before) / _SECONDS / SHARDS
            print(f"{proxy.accepted} connections, {calls:.1f} calls/s a shard")  # noqa: T201 - the measurement
            assert calls < CALLS_PER_SHARD
            tasks = [handle.id for handle in await client.submit_many("work", [0.0] * 2000)]
            await prove(client, list(map(Submitted, tasks)), ledger)
            assert not re.findall(r"WARNING|ERROR|CRITICAL", host.process.stderr), (
                host.process.stderr[-3000:]
            )
            assert set(host.places()) == set(range(SHARDS))
            host.process.terminate()
            assert await asyncio.to_thread(host.process.wait, 60) == 0
        record(f"{SHARDS} shards started at once", "redis7", tasks=len(tasks))
