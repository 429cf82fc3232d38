"""A slot of a cluster moved key by key while its partition works, as the manual says not to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from shoal import Shoal
from shoal.broker.broker import Broker
from shoal.broker.repair import repair
from shoal.broker.results import Inspected
from shoal.broker.verify import verify
from shoal.model.attempt import parse_history
from shoal.model.identity import partition_of
from tests.chaos.cluster_field import PARTITIONS, six_nodes
from tests.chaos.cluster_moves import add_master, move_slot
from tests.chaos.host import Host
from tests.chaos.proof import drained
from tests.chaos.results import record
from tests.chaos.submitters import submitting
from tests.chaos.tail import LedgerTail, hurry
from tests.support.builders import settings_for
from tests.support.ledger import Ledger
from tests.support.waiting import NeverHappened, wait_until_async

#: The partition that is moved.
MOVED = 0
_READ = 1000


async def _rows(broker: Broker, ids: list[str]) -> dict[str, Inspected]:
    found: dict[str, Inspected] = {}
    for at in range(0, len(ids), _READ):
        rows = await broker.inspect(ids[at : at + _READ])
        found |= {row.id: row for row in rows if row is not None}
    return found


def _results(row: Inspected) -> int:
    lines = parse_history(row.fields.get("history", b""))
    return sum(line.kind == "run" and line.outcome == "completed" for line in lines)


@pytest.mark.slow
async def test_a_partition_moved_without_a_pause(tmp_path: Path) -> None:
    """On Redis 7: what it costs stays in that partition, verify reports it, and repair makes it sound.

    How many tasks it costs is measured, and stands in docs/reliability.md.
    """
    ledger = Ledger(tmp_path / "ledger")
    tail = LedgerTail(ledger)
    with six_nodes("redis7") as cluster:
        settings = settings_for(cluster.cluster_url, partitions=PARTITIONS)
        env = {"SHOAL_PARTITIONS": str(PARTITIONS)}
        async with Shoal(settings) as client:
            broker = await client.broker()
            with Host(cluster.cluster_url, ledger, env=env) as host:
                await host.ready()
                async with submitting(
                    client, "work", 0.05, clients=24, partitions=PARTITIONS
                ) as submissions:
                    await wait_until_async(lambda: tail.finishes > 100, "the host is under load")
                    target = await add_master(cluster)
                    await move_slot(cluster, broker.keys[MOVED].slot, target, replace=True)
                    finishes = tail.finishes
                    await wait_until_async(
                        lambda: tail.finishes > finishes + 100, "the other partitions go on"
                    )
                hurry(ledger)
                left_behind = await _drained(broker)
                before = await verify(broker)
                after = (await repair(broker)).after
                still_left = await _drained(broker)
            accepted = {item.task_id for item in submissions.told if item.told == "ok"}
            rows = await _rows(broker, sorted(accepted))
    finished = ledger.task_ids("finish")
    lost = {i for i in accepted if i not in finished and i not in rows}
    doubled = {i for i, row in rows.items() if _results(row) > 1}
    wrong = lost | doubled | {i for i, row in rows.items() if row.state != "COMPLETED"}
    found = Counter(finding.code.value for finding in before.findings)
    print(  # noqa: T201 - the measurement itself
        f"{len(accepted)} accepted, {len(lost)} lost, {len(doubled)} doubled, left behind: "
        f"{left_behind} before and {still_left} after the repair; found: {dict(found)}"
    )
    assert {partition_of(task_id) for task_id in wrong} <= {MOVED}
    if left_behind:
        assert not before.ok
    assert after.ok, after.lines()
    assert not still_left
    starts = Counter(entry.task_id for entry in ledger.read("start"))
    record(
        "a partition moved key by key without a pause",
        "redis7",
        tasks=len(accepted),
        lost=len(lost),
        doubled=len(doubled),
        again=sum(count - 1 for count in starts.values()),
    )


async def _drained(broker: Broker) -> int:
    """Let the host do what it can; how many tasks it can't."""
    try:
        await drained(broker, 10.0)
    except NeverHappened:
        counts = await broker.counts_by_state()
        return sum(counts[state] for state in ("PENDING", "SCHEDULED", "RUNNING", "FAILED"))
    return 0
