"""A host at work and clients that go on whatever happens, for a fault to be made in the middle of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shoal import Shoal
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.submitters import Submissions, submitting
from tests.chaos.tail import LedgerTail, hurry
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until_async

WORK_S = 0.05
#: Runs that must have ended before the fault, and submissions accepted after it.
BUSY = 50


@dataclass
class Load:
    """What a test sees of it."""

    client: Shoal
    host: Host
    tail: LedgerTail
    submissions: Submissions
    #: Set in the block: the server comes back without its last writes.
    is_forgetful: bool = False
    #: Set in the block: how many runs beyond the first the fault explains.
    max_duplicate_runs: int = 0
    #: Set in the block: how many accepted tasks it may lose.
    max_lost: int = 0
    recoveries: list[float] = field(default_factory=list)

    async def resumed(self, since_ns: int, timeout_s: float = 15.0) -> float:
        """Wait until every shard has begun a task after a moment, and clients are served.

        Returns:
            Seconds until the last of the shards did; kept for the results.
        """
        accepted = self.submissions.accepted
        shards = set(self.host.incarnations())

        def has_resumed() -> bool:
            return self.tail.first_start_by_pid_since(since_ns).keys() >= shards

        await wait_until_async(has_resumed, "every shard claims again", timeout_s)
        await wait_until_async(
            lambda: self.submissions.accepted > accepted + BUSY, "clients are served", timeout_s
        )
        begun = self.tail.first_start_by_pid_since(since_ns)
        seconds = max(begun[pid] for pid in shards) / 1e9
        self.recoveries.append(seconds)
        return seconds


@asynccontextmanager
async def under_load(
    url: str,
    ledger: Ledger,
    fault: str,
    server: str,
    *,
    way: str = "",
    partitions: int = PARTITIONS,
    clients: int = 8,
    env: Mapping[str, str] | None = None,
    final_url: str = "",
) -> AsyncIterator[Load]:
    """Work and submissions around the block, and the proof at its end.

    Args:
        url: Where Redis is.
        ledger: What handlers write.
        fault: What the block does, for the results.
        server: On which kind.
        way: The URL that hosts and clients use, when a proxy is in between.
        partitions: Of the namespace.
        clients: How many submit at once.
        env: More settings of the host.
        final_url: Where Redis is at the end, when that is elsewhere.
    """
    tail = LedgerTail(ledger)
    settings = settings_for(way or url, partitions=partitions)
    async with Shoal(settings) as client:
        with Host(
            way or url, ledger, env={"SHOAL_PARTITIONS": str(partitions), **(env or {})}
        ) as host:
            await host.ready()
            async with submitting(
                client, "work", WORK_S, clients=clients, partitions=partitions
            ) as submissions:
                load = Load(client, host, tail, submissions)
                await wait_until_async(lambda: tail.finishes > BUSY, "the host is under load")
                yield load
            hurry(ledger)
            await _prove(load, final_url or url, ledger, partitions, fault, server)


async def _prove(
    load: Load, url: str, ledger: Ledger, partitions: int, fault: str, server: str
) -> None:
    async with Shoal(settings_for(url, partitions=partitions)) as direct:
        told: list[Submitted] = load.submissions.told
        proof = await prove(
            direct,
            told,
            ledger,
            max_duplicate_runs=load.max_duplicate_runs,
            forgetful=load.is_forgetful,
        )
    assert len(proof.lost) <= load.max_lost, sorted(proof.lost)
    record(
        fault,
        server,
        tasks=load.submissions.accepted,
        lost=len(proof.lost),
        again=sum(proof.duplicate_runs.values()),
        recovery_s=load.recoveries,
    )
