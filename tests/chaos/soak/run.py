"""The soak itself: traffic, faults one after the other, conservation all the time, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from shoal import Shoal
from shoal.errors import BrokerUnavailable
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.results import record
from tests.chaos.soak.faults import FAULTS, Fault, Field
from tests.chaos.soak.gauges import Gauges
from tests.chaos.soak.judging import Verdict, judge
from tests.chaos.soak.traffic import Traffic
from tests.support.binaries import Kind
from tests.support.builders import settings_for
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import NeverHappened, wait_until_async

HOSTS = 2
CONSERVED_EVERY_S = 2.0
#: Between the end of one fault and the next.
QUIET_S = (0.2, 2.0)
#: Longer than any fault may keep work from going on: a lost host's tasks need not come back for it.
RESUMES_S = 20.0
DRAIN_S = 90.0
#: Nothing is removed while it is to be counted, and nothing that was answered is lost by Redis.
REDIS = {"appendfsync": "always"}
RETENTION = {"SHOAL_TASK_RETENTION_COUNT": "100000000"}


@dataclass
class Soak:
    """One soak.

    Args:
        seconds: How long faults are made.
        seed: Decides on tasks and faults; their timing is the machine's.
        folder: For its ledger.
        kind: Which server.
    """

    seconds: float
    seed: int
    folder: Path
    kind: Kind = "redis7"
    gauges: Gauges = field(default_factory=Gauges)
    #: By fault: how long until work went on, in seconds.
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    conserved: int = 0
    wrong: list[str] = field(default_factory=list)

    async def run(self) -> Verdict:
        """Run it; what was wrong is in the verdict."""
        rng = random.Random(self.seed)
        ledger = Ledger(self.folder / "ledger")
        with RedisServer(self.kind, config=REDIS) as server, Proxy(server.port) as proxy:
            hosts = [self._host(proxy, ledger, f"soak{n}") for n in range(HOSTS)]
            names = iter(range(HOSTS, 1_000_000))

            def start_host() -> Host:
                return self._host(proxy, ledger, f"soak{next(names)}").start()

            faulty = Field(server, proxy, hosts, start_host, rng)
            async with (
                Shoal(settings_for(proxy.url, partitions=PARTITIONS)) as client,
                Shoal(settings_for(server.url, partitions=PARTITIONS)) as observer,
            ):
                try:
                    for host in hosts:
                        await host.start().ready()
                    traffic = Traffic(client, random.Random(self.seed + 1))
                    async with traffic.running():
                        watching = asyncio.create_task(self._watch(observer, traffic, faulty))
                        try:
                            await self._faults(faulty, ledger, rng)
                        finally:
                            watching.cancel()
                            await asyncio.gather(watching, return_exceptions=True)
                    verdict = await judge(observer, traffic, ledger, DRAIN_S)
                finally:
                    for host in faulty.hosts:
                        host.process.close()
        verdict.wrong[:0] = self.wrong
        return verdict

    def _host(self, proxy: Proxy, ledger: Ledger, name: str) -> Host:
        return Host(
            proxy.url,
            ledger,
            name,
            concurrency=10,
            app="tests.chaos.soak.program:app",
            env=RETENTION,
        )

    async def _faults(self, faulty: Field, ledger: Ledger, rng: random.Random) -> None:
        end_s = time.monotonic() + self.seconds
        while time.monotonic() < end_s:
            await asyncio.sleep(rng.uniform(*QUIET_S))
            fault = rng.choice(FAULTS)
            await fault(faulty)
            await self._resumed(fault, ledger)

    async def _resumed(self, fault: Fault, ledger: Ledger) -> None:
        began_s = time.monotonic()
        before = ledger.path.stat().st_size

        def goes_on() -> bool:
            with ledger.path.open("rb") as file:
                file.seek(before)
                return b'"start"' in file.read()

        try:
            await wait_until_async(goes_on, "work goes on", RESUMES_S)
        except NeverHappened as error:
            self.wrong.append(f"after {fault.__name__}: {error}")
        self.recoveries[fault.__name__].append(time.monotonic() - began_s)

    async def _watch(self, observer: Shoal, traffic: Traffic, faulty: Field) -> None:
        """Look again and again whether every task that was accepted is counted, once."""
        while True:
            with contextlib.suppress(BrokerUnavailable):
                broker = await observer.broker()
                at_least = len(traffic.accepted)
                total = sum((await broker.counts_by_state()).values())
                if not at_least <= total <= len(traffic.tried):
                    self.wrong.append(
                        f"not conserved: {at_least} were accepted, {total} are counted, and "
                        f"{len(traffic.tried)} were ever sent"
                    )
                self.conserved += 1
            pids = [pid for host in faulty.hosts for pid in host.process.children()]
            await asyncio.to_thread(self.gauges.sample, pids, faulty.server)
            await asyncio.sleep(CONSERVED_EVERY_S)

    def lines(self, verdict: Verdict) -> list[str]:
        """For people: what happened."""
        times = [f"  {name}: {_times(found)}" for name, found in sorted(self.recoveries.items())]
        counted = (
            f"{verdict.tasks} tasks accepted, {verdict.lost} lost, {verdict.doubled} with two "
            f"results, {verdict.again} runs again"
        )
        return [
            f"seed {self.seed}, {self.seconds:.0f} s on {self.kind}: {counted}",
            f"conserved at each of {self.conserved} looks"
            if not self.wrong
            else f"wrong while it ran: {len(self.wrong)}",
            "work went on after",
            *times,
            *self.gauges.lines(),
            *(f"WRONG: {line}" for line in verdict.wrong),
        ]

    def keep(self, verdict: Verdict) -> None:
        """Write it where results are kept."""
        record(
            "soak: faults at random",
            self.kind,
            tasks=verdict.tasks,
            lost=verdict.lost,
            doubled=verdict.doubled,
            again=verdict.again,
            recovery_s=[seconds for found in self.recoveries.values() for seconds in found],
        )


def _times(seconds: list[float]) -> str:
    return (
        f"{len(seconds)} times, median {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s"
    )
