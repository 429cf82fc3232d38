"""The append-only file cut, damaged, or with no room to grow: what is lost is known, and nothing is illegal."""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
import redis

from shoal import Shoal
from shoal.broker.purging import Purge
from shoal.broker.verify import verify
from shoal.errors import BrokerUnavailable
from tests.chaos.aof import AofCopy, increment, mend
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.load import under_load
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.test_redis_comes_back import BOTH, api_on, is_away, is_back
from tests.support.binaries import Kind
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

#: The server keeps to one file, and answers once it is on the disk: a size says what it holds.
EXACT = {"appendfsync": "always", "auto-aof-rewrite-percentage": "0"}
TASKS = 150
CUTS = 8


async def _history(server: RedisServer, ledger: Ledger) -> dict[str, int]:
    """Tasks submitted one after the other while a host works; how long the file was at each answer."""
    sizes: dict[str, int] = {}
    async with Shoal(settings_for(server.url, partitions=PARTITIONS)) as client:
        with Host(server.url, ledger) as host:
            await host.ready()
            for _ in range(TASKS):
                handle = await client.submit("work", 0.02)
                sizes[handle.id] = increment(server).stat().st_size
            await wait_until_async(lambda: len(ledger.task_ids("finish")) > TASKS // 2, "they run")
            server.kill()
    return sizes


async def _missing(server: RedisServer, ids: Sequence[str]) -> set[str]:
    """Which tasks are not there any more; nothing else may be wrong."""
    async with Shoal(settings_for(server.url, partitions=PARTITIONS)) as client:
        broker = await client.broker()
        report = await verify(broker)
        assert report.ok, report.lines()
        return {i for i, row in zip(ids, await broker.inspect(ids), strict=True) if row is None}


async def _finish(server: RedisServer, ledger: Ledger, ids: Sequence[str], fault: str) -> None:
    """A new host does what is left, and everything is proved."""
    began_ns = time.monotonic_ns()
    async with Shoal(settings_for(server.url, partitions=PARTITIONS)) as client:
        with Host(server.url, ledger, "later") as later:
            await later.ready()
            proof = await prove(
                client,
                list(map(Submitted, ids)),
                ledger,
                forgetful=True,
                max_duplicate_runs=2 * len(ids),
            )
    record(
        fault,
        server.kind,
        tasks=len(ids),
        lost=len(proof.lost),
        again=sum(proof.duplicate_runs.values()),
        recovery_s=[(time.monotonic_ns() - began_ns) / 1e9],
    )


@pytest.mark.slow
@BOTH
async def test_the_end_of_the_file_is_lost(kind: Kind, tmp_path: Path) -> None:
    """Power loss: whatever is cut off, it loads, nothing is illegal, and only what was cut off is missing."""
    rng = random.Random(8)
    ledger = Ledger(tmp_path / "l")
    with RedisServer(kind, config=EXACT) as server:
        sizes = await _history(server, ledger)
        copy = AofCopy(server, tmp_path / "copy")
        # Near the end, where a command is cut in two, and far into what was acknowledged.
        span = copy.size - min(sizes.values())
        cuts = [1, 2, *sorted(rng.randrange(3, span) for _ in range(CUTS - 2))]
        for cut in cuts:
            copy.put_back(cut=cut)
            await asyncio.to_thread(server.start)
            missing = await _missing(server, list(sizes))
            cut_off = {i for i, size in sizes.items() if size > copy.size - cut}
            assert missing <= cut_off, f"cut by {cut} bytes"
            server.kill()
        copy.put_back(cut=cuts[CUTS // 2])
        await asyncio.to_thread(server.start)
        await _finish(server, ledger, list(sizes), "the file's end cut off")


@pytest.mark.slow
@BOTH
async def test_the_file_is_damaged_in_the_middle(kind: Kind, tmp_path: Path) -> None:
    """Redis refuses to start and says why; ``redis-check-aof --fix`` keeps what stood before the damage."""
    ledger = Ledger(tmp_path / "l")
    with RedisServer(kind, config=EXACT) as server, api_on(server.url) as api:
        sizes = await _history(server, ledger)
        copy = AofCopy(server, tmp_path / "copy")
        damage_at = copy.size // 2
        copy.put_back(damage_at=damage_at)
        with pytest.raises(RuntimeError, match="ended at its start"):
            await asyncio.to_thread(server.start)
        assert "Bad file format reading the append only file" in server.log_tail(30)
        await is_away(api)
        assert "Successfully truncated" in mend(server)
        await asyncio.to_thread(server.start)
        missing = await _missing(server, list(sizes))
        assert missing <= {i for i, size in sizes.items() if size > damage_at}
        await is_back(api)
        await _finish(server, ledger, list(sizes), "the file damaged in its middle")


@pytest.mark.slow
@BOTH
async def test_no_room_for_the_file(kind: Kind, tmp_path: Path) -> None:
    """A full disk: MISCONF is an outage like others, and over when there is room again.

    The limit on the size of a file stands for the disk: a write fails half way in the same manner,
    and it takes no rights to mount anything.
    """
    ledger = Ledger(tmp_path / "l")
    with (
        RedisServer(kind, config={"auto-aof-rewrite-percentage": "0"}) as server,
        api_on(server.url) as api,
    ):
        async with under_load(server.url, ledger, "the disk is full", kind) as load:
            process = psutil.Process(server.pid)
            room = increment(server).stat().st_size + 10_000
            unlimited = resource.RLIM_INFINITY
            process.rlimit(psutil.RLIMIT_FSIZE, (room, unlimited))

            async def is_full() -> bool:
                try:
                    await load.client.broker()
                    with server.client() as client:
                        client.set("probe", 1)
                except redis.ResponseError as error:
                    return "MISCONF" in str(error)
                return False

            await wait_until_async(is_full, "it can't write any more")
            failed = load.submissions.failed
            await wait_until_async(lambda: load.submissions.failed > failed, "clients are refused")
            answer = await asyncio.to_thread(api.post, {"type": "work", "payload": 0.0})
            assert (answer.status, answer.code) == (503, "broker_unavailable")
            process.rlimit(psutil.RLIMIT_FSIZE, (unlimited, unlimited))
            assert await load.resumed(time.monotonic_ns()) < 3.0
            await is_back(api)
        assert server.is_running


@pytest.mark.slow
@BOTH
async def test_no_memory_left(kind: Kind, tmp_path: Path) -> None:
    """At maxmemory submissions get 503 ``memory_full``; all that makes room works on, and then they are taken."""
    ledger = Ledger(tmp_path / "l")
    with RedisServer(kind) as server, api_on(server.url) as api:
        async with Shoal(settings_for(server.url, partitions=PARTITIONS)) as client:
            work = [h.id for h in await client.submit_many("work", [0.01] * 300)]
            # Longer than a lease, so that renewals are needed meanwhile.
            work += [h.id for h in await client.submit_many("work", [4.0] * 4)]
            unwanted = [
                h.id for h in await client.submit_many("filler", [None] * 40, queue="unwanted")
            ]
            await asyncio.to_thread(api.get, "/api/v1/tasks")
            with server.client() as plain:
                plain.config_set("maxmemory", "1mb")
            answer = await asyncio.to_thread(api.post, {"type": "work", "payload": 0.0})
            assert (answer.status, answer.code) == (503, "memory_full"), answer.body
            assert int(answer.headers["retry-after"]) >= 1
            cancelled = await asyncio.to_thread(
                api.request, "DELETE", f"/api/v1/tasks/{unwanted[0]}"
            )
            assert cancelled.status == 200, cancelled.body
            broker = await client.broker()
            purge = await Purge.begin(broker, "unwanted")
            assert await purge.run() == len(unwanted) - 1
            with Host(server.url, ledger) as host:
                await host.ready()
                await wait_until_async(
                    lambda: len(ledger.task_ids("finish")) == len(work), "all work is done"
                )
                with server.client() as plain:
                    plain.config_set("maxmemory", "0")
                work.append(await asyncio.to_thread(api.submit, "work", 0.01))
                await prove(client, list(map(Submitted, work)), ledger)
    record("maxmemory reached", kind, tasks=len(work))


async def test_unavailable_is_what_a_client_is_told(valkey: RedisServer) -> None:
    """MISCONF reaches a program as ``BrokerUnavailable``, with a known outcome."""
    async with Shoal(settings_for(valkey.url)) as client:

        async def fill() -> None:
            while True:
                await client.submit("work", 1)

        await client.submit("work", 1)
        process = psutil.Process(valkey.pid)
        unlimited = resource.RLIM_INFINITY
        process.rlimit(psutil.RLIMIT_FSIZE, (increment(valkey).stat().st_size, unlimited))
        try:
            with pytest.raises(BrokerUnavailable, match="MISCONF") as raised:
                await fill()
        finally:
            process.rlimit(psutil.RLIMIT_FSIZE, (unlimited, unlimited))
        assert not raised.value.outcome_unknown
