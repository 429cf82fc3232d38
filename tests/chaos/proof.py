"""What every test here ends with: the drained system against what clients and handlers saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, replace

from shoal import Shoal
from shoal.broker.broker import Broker
from shoal.broker.results import Inspected
from shoal.broker.verify import verify
from shoal.model.attempt import HistoryLine, parse_history
from tests.support.checker import Submitted, check
from tests.support.ledger import Ledger
from tests.support.waiting import wait_until_async

_IDS_A_READ = 2000
_OPEN = ("PENDING", "SCHEDULED", "RUNNING", "FAILED")


@dataclass(frozen=True)
class Proof:
    """What was read of the drained system, for a test's own questions."""

    tasks: dict[str, Inspected]
    histories: dict[str, list[HistoryLine]]
    #: Runs beyond the first, by task; each is explained by an interruption in its history.
    duplicate_runs: dict[str, int]
    #: Accepted, never finished by a handler, and gone with what a server lost (``forgetful`` only).
    lost: frozenset[str] = frozenset()

    def interruptions(self, task_id: str) -> list[str]:
        """Why a task was handed back, each time."""
        return [line.outcome for line in self.histories[task_id] if line.kind == "interrupted"]

    def assert_uncharged(self, tasks: Iterable[str], reasons: Collection[str]) -> None:
        """These were interrupted for one of the reasons, and are none the worse for it."""
        for task_id in tasks:
            fields, found = self.tasks[task_id].fields, self.interruptions(task_id)
            assert found, task_id
            assert set(found) <= set(reasons), (task_id, found)
            assert "crashes" not in fields
            assert int(fields.get("recoveries", 0)) == sum(
                reason in ("killed", "lost") for reason in found
            )
            attempts = [line for line in self.histories[task_id] if line.kind == "run"]
            assert [line.outcome for line in attempts] == ["completed"], task_id


async def drained(broker: Broker, timeout_s: float = 60.0) -> None:
    """Wait until no task waits or runs."""

    async def is_drained() -> bool:
        counts = await broker.counts_by_state()
        return not any(counts[state] for state in _OPEN)

    await wait_until_async(is_drained, "everything has ended", timeout_s, interval_s=0.05)


async def prove(
    client: Shoal,
    submitted: Sequence[Submitted],
    ledger: Ledger,
    *,
    unrecorded: Collection[str] = (),
    max_duplicate_runs: int = 0,
    allow_overlapping: bool = False,
    forgetful: bool = False,
    timeout_s: float = 60.0,
) -> Proof:
    """Let everything drain, and fail unless nothing was lost, doubled, invented, early or untidy.

    Beyond the checker: each task has exactly one recorded result, in one journal entry; no result
    has a token that was taken back; each run beyond a task's first has an interruption that
    explains it; and ``verify`` finds nothing.

    Args:
        client: Connected to the namespace.
        submitted: Every submission and its answer.
        ledger: What the handlers did.
        unrecorded: Accepted tasks whose handler writes no ledger.
        max_duplicate_runs: How many runs beyond the first the faults may have caused.
        allow_overlapping: A frozen worker was thawed, so its handlers ran beside others.
        forgetful: The server came back without its last writes: tasks may be gone with them, and runs
            that only those writes knew of are repeated. Everything else holds as always.
        timeout_s: For the drain.
    """
    broker = await client.broker()
    await drained(broker, timeout_s)
    known = {item.task_id for item in submitted}
    tasks = await _read(broker, [*known, *unrecorded])
    lost: frozenset[str] = frozenset()
    if forgetful:
        lost = _lost(submitted, tasks, ledger)
        submitted = [
            item if item.task_id in tasks else replace(item, told="unknown") for item in submitted
        ]
    histories = {
        task_id: parse_history(task.fields.get("history", b"")) for task_id, task in tasks.items()
    }
    results = Counter(
        {
            task_id: sum(line.kind == "run" and line.outcome == "completed" for line in lines)
            for task_id, lines in histories.items()
        }
    )
    verdict = check(
        submitted,
        ledger.read(),
        final_states={task_id: task.state for task_id, task in tasks.items()},
        accepted_results=results.elements(),
        histories=histories,
    )
    verdict.assert_sound(
        max_duplicate_runs=max_duplicate_runs, allow_overlapping=allow_overlapping or forgetful
    )
    not_completed = [
        f"{task.state} {task.fields.get('reason')!r} {task.fields.get('error')!r} {histories[i]}"
        for i, task in tasks.items()
        if task.state != "COMPLETED"
    ]
    assert not not_completed, "\n".join(not_completed[:5])
    missing = [task_id for task_id in unrecorded if task_id not in tasks]
    assert not missing
    assert set(results.values()) <= {1}
    for task_id, runs in verdict.duplicate_runs.items():
        explained = sum(line.kind == "interrupted" for line in histories[task_id])
        assert forgetful or runs <= explained, (task_id, histories[task_id])
    counts = await broker.counts_by_state()
    assert counts["COMPLETED"] == len(tasks)
    report = await verify(broker)
    assert report.ok, report.lines()
    return Proof(tasks, histories, verdict.duplicate_runs, lost)


def _lost(submitted: Iterable[Submitted], tasks: Container[str], ledger: Ledger) -> frozenset[str]:
    accepted = {item.task_id for item in submitted if item.told == "ok"}
    return frozenset(i for i in accepted - ledger.task_ids("finish") if i not in tasks)


async def _read(broker: Broker, ids: Sequence[str]) -> dict[str, Inspected]:
    found: dict[str, Inspected] = {}
    for at in range(0, len(ids), _IDS_A_READ):
        rows = await broker.inspect(ids[at : at + _IDS_A_READ])
        found.update({row.id: row for row in rows if row is not None})
    return found
