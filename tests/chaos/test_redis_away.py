"""Redis gone, frozen or slow under load: nothing accepted is lost, and nothing runs twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shoal import Shoal
from tests.chaos.host import LEASE_S as SHORT_LEASE_S
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.sizes import size
from tests.chaos.submitters import submitting
from tests.chaos.tail import LedgerTail, hurry
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

#: On record the default lease, and a minute.
LEASE_S = size(SHORT_LEASE_S, 15.0)
AWAY_S = 4 * LEASE_S
WORK_S = 0.1
#: Handlers that begin before the outage and end after it.
LONG_S = AWAY_S + 3.0
LONG = 10
#: What waits when Redis goes away.
BACKLOG = 2000
RESUMES_S = 2.0


@dataclass
class Outage:
    """What the test tells when Redis serves again."""

    ended_ns: int = 0


@asynccontextmanager
async def _outlived(server: RedisServer, ledger: Ledger, fault: str) -> AsyncIterator[Outage]:
    """A host under load, with clients that go on; the block takes Redis away and brings it back."""
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(server.url, partitions=PARTITIONS)) as client:
        with Host(server.url, ledger, SHOAL_LEASE=f"{LEASE_S:g}s") as host:
            await host.ready()
            before = (host.process.pid, host.incarnations())
            long = [handle.id for handle in await client.submit_many("work", [LONG_S] * LONG)]
            threads = [handle.id for handle in await client.submit_many("thread", [LONG_S] * 2)]
            backlog = [handle.id for handle in await client.submit_many("work", [WORK_S] * BACKLOG)]
            async with submitting(client, "work", WORK_S) as submissions:
                await wait_until_async(
                    lambda: tail.finishes > 200 and all(map(tail.has_started, long + threads)),
                    "the host is under load",
                )
                outage = Outage()
                yield outage
                shards = set(before[1])

                def resumed() -> bool:
                    return tail.first_start_by_pid_since(outage.ended_ns).keys() >= shards

                await wait_until_async(resumed, "every shard claims again")
                accepted = submissions.accepted
                await wait_until_async(
                    lambda: submissions.accepted > accepted + 50, "clients are served again"
                )
            resumed_ns = tail.first_start_by_pid_since(outage.ended_ns).values()
            print(  # noqa: T201 - the measurement itself
                f"resumed after {[round(ns / 1e6) for ns in resumed_ns]} ms; "
                f"{submissions.accepted} accepted, {submissions.unknown} unknown and "
                f"{submissions.failed} failed submissions"
            )
            hurry(ledger)
            others = map(Submitted, long + threads + backlog)
            proof = await prove(client, [*submissions.told, *others], ledger)
            record(
                fault,
                server.kind,
                tasks=len(proof.tasks),
                again=sum(proof.duplicate_runs.values()),
                recovery_s=[max(resumed_ns) / 1e9],
            )
            assert (host.process.pid, host.incarnations()) == before
            assert max(resumed_ns) < RESUMES_S * 1e9
            assert submissions.unknown + submissions.failed > 0


@pytest.mark.slow
async def test_redis_killed_and_away_for_four_leases(tmp_path: Path) -> None:
    """Kill -9, gone for four leases, back from AOF: all resumes in 2 s, nothing is lost, nothing runs twice."""
    # With everysec Redis may answer before it writes while a sync is under way; this test is
    # about what it wrote.
    with RedisServer("redis7", config={"appendfsync": "always"}) as server:
        async with _outlived(
            server,
            Ledger(tmp_path / "ledger"),
            f"killed, away for {AWAY_S:g} s (lease {LEASE_S:g} s)",
        ) as outage:
            server.kill()
            await asyncio.sleep(AWAY_S)  # the outage itself
            await asyncio.to_thread(server.start)
            outage.ended_ns = time.monotonic_ns()


@pytest.mark.slow
async def test_redis_frozen_for_four_leases(valkey: RedisServer, tmp_path: Path) -> None:
    """SIGSTOP for four leases: the same, and every connection stays open meanwhile."""
    async with _outlived(
        valkey, Ledger(tmp_path / "ledger"), f"frozen for {AWAY_S:g} s (lease {LEASE_S:g} s)"
    ) as outage:
        valkey.stop_process()
        await asyncio.sleep(AWAY_S)  # the outage itself
        valkey.continue_process()
        outage.ended_ns = time.monotonic_ns()


@pytest.mark.slow
async def test_replies_later_than_the_deadline(redis7: RedisServer, tmp_path: Path) -> None:
    """Every reply comes after its caller gave up, for a lease: no command is applied twice."""
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    late = {"redis__timeout_s": 0.25}
    with (
        Proxy(redis7.port) as proxy,
        Host(proxy.url, ledger, SHOAL_REDIS_TIMEOUT="250ms") as host,
    ):
        async with (
            Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as direct,
            Shoal(settings_for(proxy.url, partitions=PARTITIONS, **late)) as client,
        ):
            await host.ready()
            before = host.incarnations()
            async with submitting(client, "work", WORK_S) as submissions:
                await wait_until_async(lambda: tail.finishes > 50, "the host is under load")
                proxy.delay(400)
                await asyncio.sleep(SHORT_LEASE_S)  # the fault itself
                proxy.delay(0)
                healed_ns = time.monotonic_ns()
                await wait_until_async(lambda: len(tail.starts_since(healed_ns)) > 50, "it goes on")
            hurry(ledger)
            proof = await prove(direct, submissions.told, ledger)
            record(
                "replies later than the deadline",
                "redis7",
                tasks=len(proof.tasks),
                again=sum(proof.duplicate_runs.values()),
            )
            assert submissions.unknown > 0
            assert host.incarnations() == before
