"""Hosts that end, as they are told or not: nothing is lost, and others take over at once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from shoal import Shoal
from shoal.errors import ExitStatus
from tests.chaos.host import LEASE_S, PARTITIONS, Host
from tests.chaos.proof import prove
from tests.chaos.results import record
from tests.chaos.sizes import size
from tests.chaos.tail import LedgerTail, hurry
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.processes import is_alive
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until, wait_until_async

#: After a signal was sent, what was claimed before may still begin for this long, in seconds.
HEARD_S = 0.5
SHARDS, CONCURRENCY = size((4, 50), (10, 100))
IN_FLIGHT = SHARDS * CONCURRENCY
ENDS_S = size(4.0, 5.0)


async def test_sigterm_with_every_slot_at_work(redis7: RedisServer, tmp_path: Path) -> None:
    """Many tasks of 1 s in flight: all of them finish where they run, the exit status is 0.

    And 2,000 more that waited are all still there, for a host that comes later.
    """
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        tasks = [
            handle.id for handle in await client.submit_many("work", [1.0] * (IN_FLIGHT + 2000))
        ]
        with Host(redis7.url, ledger, shards=SHARDS, concurrency=CONCURRENCY) as host:
            await host.ready()
            shards = host.incarnations()

            def in_flight() -> bool:
                return all(len(tail.running(pid)) >= CONCURRENCY - 2 for pid in shards)

            await wait_until_async(in_flight, f"{IN_FLIGHT} tasks are in flight", 30)
            at_ns = time.monotonic_ns()
            host.process.terminate()
            assert host.process.wait(30) == ExitStatus.OK
            took_s = (time.monotonic_ns() - at_ns) / 1e9
        print(f"ended after {took_s:.2f} s")  # noqa: T201 - the measurement itself
        assert not any(tail.running(pid) for pid in shards)
        late = [e for e in tail.starts_since(at_ns) if e.monotonic_ns > at_ns + HEARD_S * 1e9]
        assert not late
        hurry(ledger)
        with Host(redis7.url, ledger, "later") as later:
            await later.ready()
            await prove(client, list(map(Submitted, tasks)), ledger)
        record(
            f"SIGTERM, {IN_FLIGHT:,} tasks of 1 s in flight (until its exit)",
            "redis7",
            tasks=len(tasks),
            recovery_s=[took_s],
        )
        # One second of work, and what it takes to notice.
        assert took_s < ENDS_S


async def test_sigterm_with_handlers_that_never_end(valkey: RedisServer, tmp_path: Path) -> None:
    """They are handed back at the deadline, and another host runs them less than a second later."""
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    timeout_s, drain_s = 5.0, 2.0
    async with Shoal(settings_for(valkey.url, partitions=PARTITIONS)) as client:
        tasks = [handle.id for handle in await client.submit_many("endless", ["old"] * 4)]
        tasks += [handle.id for handle in await client.submit_many("endless.thread", ["old"] * 4)]
        old = Host(
            valkey.url, ledger, "old", concurrency=4, WORKER_SHUTDOWN_TIMEOUT=f"{timeout_s:g}s"
        )
        with old:
            await old.ready()
            await wait_until_async(lambda: tail.starts == len(tasks), "all of them run", 30)
            with Host(valkey.url, ledger, "new", concurrency=4) as new:
                await new.ready()
                at_ns = time.monotonic_ns()
                old.process.terminate()
                status = old.process.wait(timeout_s + 2)
                again = await wait_until_async(
                    lambda: _all_started(tail, at_ns, frozenset(tasks)), "they run again"
                )
                waits = sorted(ns / 1e9 for ns in again.values())
                print(f"run again after {waits} s")  # noqa: T201 - the measurement itself
                proof = await prove(
                    client, list(map(Submitted, tasks)), ledger, max_duplicate_runs=len(tasks)
                )
        record(
            "SIGTERM, handlers that never end (from the deadline)",
            "valkey",
            tasks=len(tasks),
            again=sum(proof.duplicate_runs.values()),
            recovery_s=[max(0.0, waits[-1] - drain_s)],
        )
        assert status == ExitStatus.OK
        assert waits[0] > drain_s - 0.1
        assert waits[-1] < drain_s + 1.0
        proof.assert_uncharged(tasks, {"drained"})


async def test_kill_of_a_supervisor(redis7: RedisServer, tmp_path: Path) -> None:
    """Kill -9 of the supervisor: its shards are gone in 2 s, and another host has all their tasks.

    By the lease and 2 s at the latest, and in fact at once, since they hand back what they run.
    """
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        tasks = [handle.id for handle in await client.submit_many("endless", ["old"] * 5)]
        tasks += [handle.id for handle in await client.submit_many("endless.thread", ["old"] * 5)]
        with Host(redis7.url, ledger, "old", concurrency=10) as old:
            await old.ready()
            await wait_until_async(lambda: tail.starts == len(tasks), "all of them run")
            shards = old.incarnations()
            with Host(redis7.url, ledger, "new") as new:
                await new.ready()
                at_ns = time.monotonic_ns()
                old.process.kill()
                wait_until(lambda: not any(map(is_alive, shards)), "its shards are gone", 2.0)
                again = await wait_until_async(
                    lambda: _all_started(tail, at_ns, frozenset(tasks)),
                    "all of them run again",
                    LEASE_S + 5,
                )
                waits = sorted(ns / 1e9 for ns in again.values())
                print(f"run again after {waits} s")  # noqa: T201 - the measurement itself
                proof = await prove(
                    client, list(map(Submitted, tasks)), ledger, max_duplicate_runs=len(tasks)
                )
        record(
            "a supervisor killed",
            "redis7",
            tasks=len(tasks),
            again=sum(proof.duplicate_runs.values()),
            recovery_s=[waits[-1]],
        )
        assert waits[-1] < LEASE_S + 2
        proof.assert_uncharged(tasks, {"drained", "lost"})
        assert set(Counter(entry.task_id for entry in ledger.read("start")).values()) == {2}


def _all_started(tail: LedgerTail, since_ns: int, tasks: frozenset[str]) -> dict[str, int]:
    """When each started after a moment, in ns after it; nothing until all have."""
    found = tail.first_starts_since(since_ns, tasks)
    return found if len(found) == len(tasks) else {}
