"""Each task stands in exactly one place that fits its state."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from shoal.broker.keys import RETURNED
from shoal.broker.verify_report import Code
from shoal.broker.verify_walk import SLICE, Walk, rows_of, text

#: States that have zsets; a hash without a state is PENDING or RUNNING.
INDEXED = ("SCHEDULED", "FAILED", "CANCELLED", "DEAD")
ENDED = ("COMPLETED", "CANCELLED", "DEAD")
_OWN_RETENTION = re.compile(r"[rf]\d")


class Standing(NamedTuple):
    """A task's hash and its places, read at one instant; what is not there is empty."""

    entry: str
    state: str
    type: str
    due: str
    unique: str
    fingerprint: str
    holds_unique: bool
    entry_carries: str
    consumer: str
    scheduled: str
    crashes: str
    indexes: frozenset[str]
    notes_fault: str
    ends: str
    #: How many parents it waits for.
    waiting: int
    expiring: str

    @classmethod
    def read(cls, row: Sequence[Any]) -> "Standing":
        """From a row of the script's reply."""
        texts = [text(field) for field in row[:6]]
        places = [text(field) for field in row[7:10]]
        indexes = frozenset(text(name) for name in row[10])
        entry, state, task_type, due, unique, fingerprint = texts
        carried, consumer, scheduled = places
        return cls(
            entry=entry,
            state=state,
            type=task_type,
            due=due,
            unique=unique,
            fingerprint=fingerprint,
            holds_unique=row[6] == 1,
            entry_carries=carried,
            consumer=consumer,
            scheduled=scheduled,
            crashes=text(row[15]),
            indexes=indexes,
            notes_fault=text(row[14]),
            ends=text(row[11]),
            waiting=row[12],
            expiring=text(row[13]),
        )

    @property
    def derived_state(self) -> str:
        """The state that people see."""
        if self.state:
            return self.state
        return "RUNNING" if self.consumer and self.consumer != RETURNED else "PENDING"


async def check_tasks(walk: Walk, ids: Sequence[str]) -> None:
    """Check the hashes of these ids and count them."""
    fresh = [task_id for task_id in dict.fromkeys(ids) if task_id.encode() not in walk.seen]
    for part in rows_of(fresh, SLICE):
        rows = await walk.script("verify_tasks", *part)
        for task_id, row in zip(part, rows, strict=True):
            if row is None:
                continue
            walk.seen.add(task_id.encode())
            if row == b"wrong_type":
                walk.find(Code.WRONG_TYPE, f"task:{task_id}", "a task's key is no hash", task_id)
                continue
            task = Standing.read(row)
            _check(walk, task_id, task)
            walk.tally[task.derived_state, task.type] += 1
            if task.state == "COMPLETED":
                walk.completed[task_id.encode()] = task.type.encode()


def _check(walk: Walk, task_id: str, task: Standing) -> None:
    key = f"task:{task_id}"
    state = task.derived_state
    if not task.type or not task.entry or state not in ("PENDING", "RUNNING", *INDEXED, *ENDED):
        walk.find(
            Code.BAD_TASK,
            key,
            f"its type is {task.type!r}, its entry {task.entry!r}, its state {task.state!r}",
            task_id,
        )
        return
    if not task.state and task.entry_carries != task_id:
        what = f"carries {task.entry_carries}" if task.entry_carries else "is not there"
        walk.find(
            Code.TASK_WITHOUT_ENTRY,
            key,
            f"the task is ready, and its entry {task.entry} {what}",
            task_id,
        )
    if state not in ENDED and task.crashes and ":isolated" not in task.entry:
        walk.find(
            Code.NOT_ISOLATED,
            key,
            f"the task was charged with {task.crashes} crashes and stands at {task.entry}",
            task_id,
        )
    _check_indexes(walk, task_id, task)
    if task.notes_fault:
        walk.find(Code.BAD_NOTES, key, task.notes_fault, task_id)
    _check_retention(walk, task_id, task)
    if task.unique and state not in ENDED and not task.holds_unique:
        walk.find(
            Code.UNIQUE_NOT_HELD,
            key,
            f"the task is {state} and its unique key is not its own",
            task_id,
        )


def _check_indexes(walk: Walk, task_id: str, task: Standing) -> None:
    wanted = set()
    if task.state in INDEXED:
        wanted = {f"index:{task.state}", f"index:{task.state}:{task.type}"}
    if task.state == "DEAD" and task.fingerprint:
        wanted.add(f"fingerprint:{task.fingerprint}")
    for name in sorted(wanted - task.indexes):
        walk.find(Code.INDEX_MISSING, name, f"the {task.state} task is not in it", task_id)
    if task.waiting:
        if task.state != "SCHEDULED" or task.scheduled:
            also = f"{task.derived_state}, {'due' if task.scheduled else 'not due'}"
            walk.find(
                Code.WAITING_WRONG,
                f"waiting:{task_id}",
                f"the task waits for {task.waiting} others, and is {also}",
                task_id,
            )
    elif task.state in ("SCHEDULED", "FAILED") and (task.scheduled != task.due or not task.due):
        at = task.scheduled or "not there"
        walk.find(
            Code.INDEX_MISSING,
            "scheduled",
            f"the task is due at {task.due!r}, and it is {at}",
            task_id,
        )


def _check_retention(walk: Walk, task_id: str, task: Standing) -> None:
    """What has a retention of its own and has ended is found when that has passed."""
    if task.state in ENDED and _OWN_RETENTION.search(task.ends) and not task.expiring:
        walk.find(
            Code.INDEX_MISSING,
            "expiring",
            f"the {task.state} task has a retention of its own and is not in it",
            task_id,
        )
