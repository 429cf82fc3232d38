"""The end of the soak: everything drained, against what clients were told and handlers did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shoal import Shoal
from shoal.broker.broker import Broker
from shoal.broker.results import Inspected
from shoal.broker.verify import verify
from shoal.model.attempt import HistoryLine, parse_history
from tests.chaos.proof import drained
from tests.chaos.soak.traffic import Traffic
from tests.support.checker import check
from tests.support.ledger import Ledger

_IDS_A_READ = 1000
_NAMED = 5


@dataclass
class Verdict:
    """What was found; ``wrong`` is empty when all is well."""

    tasks: int
    lost: int
    doubled: int
    again: int
    wrong: list[str]


async def judge(client: Shoal, traffic: Traffic, ledger: Ledger, timeout_s: float) -> Verdict:
    """Wait until all has ended, and compare."""
    broker = await client.broker()
    wrong: list[str] = []
    try:
        await drained(broker, timeout_s)
    except AssertionError as error:
        wrong.append(f"it does not drain: {error}; {await broker.counts_by_state()}")
    tasks, histories = await _read(broker, sorted(traffic.tried))
    results = [
        task_id
        for task_id, lines in histories.items()
        for line in _since_requeue(lines)
        if line.kind == "run" and line.outcome == "completed"
    ]
    found = check(
        traffic.told,
        ledger.read(),
        final_states={i: task.state for i, task in tasks.items()},
        accepted_results=results,
    )
    try:
        found.assert_sound(max_duplicate_runs=found.duplicate_run_count, allow_overlapping=True)
    except AssertionError as error:
        wrong.append(str(error))
    wrong += _unexplained(found.duplicate_runs, histories)
    wrong += _wrong_ends(traffic, tasks)
    missing = traffic.accepted - tasks.keys()
    wrong += _named("accepted, and not there", missing)
    total = sum((await broker.counts_by_state()).values())
    if total != len(tasks):
        wrong.append(f"the counters say {total} tasks, {len(tasks)} are there")
    report = await verify(broker)
    if not report.ok:
        wrong += report.lines()
    lost = len(missing | set(found.lost))
    again = found.duplicate_run_count
    return Verdict(len(traffic.accepted), lost, len(found.double_results), again, wrong)


async def _read(
    broker: Broker, ids: list[str]
) -> tuple[dict[str, Inspected], dict[str, list[HistoryLine]]]:
    tasks = {}
    for at in range(0, len(ids), _IDS_A_READ):
        rows = await broker.inspect(ids[at : at + _IDS_A_READ])
        tasks.update({row.id: row for row in rows if row is not None})
    return tasks, {i: parse_history(row.fields.get("history", b"")) for i, row in tasks.items()}


def _since_requeue(lines: list[HistoryLine]) -> list[HistoryLine]:
    last = max((at for at, line in enumerate(lines) if line.kind == "requeued"), default=-1)
    return lines[last + 1 :]


def _unexplained(runs: dict[str, int], histories: dict[str, list[HistoryLine]]) -> list[str]:
    """A further run is explained by a line: an interruption, a requeue, a cancelled or failed run."""
    unexplained = {i for i, more in runs.items() if more >= max(1, len(histories.get(i, [])))}
    return _named("run again without a reason", unexplained)


def _wrong_ends(traffic: Traffic, tasks: dict[str, Inspected]) -> list[str]:
    may_be_cancelled = traffic.cancelled | traffic.with_parents
    dead = {i for i, task in tasks.items() if task.state == "DEAD" and i not in traffic.failing}
    cancelled = {
        i for i, t in tasks.items() if t.state == "CANCELLED" and i not in may_be_cancelled
    }
    return [
        *_named("DEAD, and need not be", dead),
        *(f"  {i}: {tasks[i].fields.get('reason')!r}" for i in sorted(dead)[:_NAMED]),
        *_named("CANCELLED, and nobody asked for it", cancelled),
    ]


def _named(what: str, ids: Iterable[str]) -> list[str]:
    listed = sorted(ids)
    return [f"{len(listed)} {what}: {', '.join(listed[:_NAMED])}"] if listed else []
