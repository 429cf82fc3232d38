"""Indexes, the schedule and unique keys name only tasks that fit them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from shoal.broker.verify_report import Code
from shoal.broker.verify_tasks import ENDED, Standing
from shoal.broker.verify_walk import SLICE, Walk, rows_of, text


class Member(NamedTuple):
    """A member of a zset, with what the hash of its task says."""

    score: str
    state: str
    type: str
    due: str
    fingerprint: str


#: From a member to what is wrong with it, or nothing.
Rule = Callable[[Member], str]


async def check_indexes(walk: Walk) -> None:
    """Walk the zsets of states and the schedule."""
    for name in sorted(
        {
            *walk.names["index:<state>"],
            *walk.names["index:<state>:<type>"],
            *walk.names["fingerprint:<fingerprint>"],
        }
    ):
        await _check_zset(walk, name, _rule_of(name))
    await _check_zset(walk, "scheduled", _is_due)
    await _check_zset(walk, "expiring", _has_ended, may_be_gone=True)


def _is_due(member: Member) -> str:
    if member.state not in ("SCHEDULED", "FAILED"):
        return f"its task is {member.state or 'ready'}"
    return "" if member.due == member.score else f"it says {member.score}, the task {member.due}"


def _has_ended(member: Member) -> str:
    return "" if member.state in ENDED else f"its task is {member.state or 'ready'}"


def _rule_of(name: str) -> Rule:
    kind, _, rest = name.partition(":")
    state, _, wanted = ("DEAD", "", rest) if kind == "fingerprint" else rest.partition(":")

    def rule(member: Member) -> str:
        if member.state != state:
            return f"its task is {member.state or 'ready'}"
        if kind == "fingerprint" and member.fingerprint != wanted:
            return f"its task has the fingerprint {member.fingerprint!r}"
        if kind == "index" and wanted and member.type != wanted:
            return f"its task has the type {member.type}"
        return ""

    return rule


async def _check_zset(walk: Walk, name: str, rule: Rule, *, may_be_gone: bool = False) -> None:
    first = 0
    while True:
        reply = await walk.script("verify_index", name, first, first + SLICE - 1)
        rows = list(rows_of(reply, 7))
        for raw_id, score, exists, *fields in rows:
            task_id = text(raw_id)
            if not exists and may_be_gone:  # another retention came first
                continue
            if not exists:
                walk.find(Code.INDEX_WRONG, name, f"{task_id}: there is no such task", task_id)
                continue
            if wrong := rule(Member(*(text(field) for field in (score, *fields)))):
                walk.find(Code.INDEX_WRONG, name, f"{task_id}: {wrong}", task_id)
        if len(rows) < SLICE:
            return
        first += SLICE


async def check_unique_keys(walk: Walk) -> None:
    """Each unique key is held by a task that has not ended and that names it."""
    for part in rows_of(sorted(set(walk.names["unique:<digest>"])), SLICE):
        holders = [text(raw or b"") for raw in await walk.command_each("GET", part)]
        rows = await walk.script("verify_tasks", *holders)
        for name, task_id, row in zip(part, holders, rows, strict=True):
            if task_id:
                _check_holder(walk, name, task_id, row)


def _check_holder(walk: Walk, name: str, task_id: str, row: Any) -> None:
    if row is None or row == b"wrong_type":
        walk.find(Code.UNIQUE_ORPHAN, name, f"it names {task_id}, which is no task", task_id)
        return
    task = Standing.read(row)
    if task.state in ENDED:
        walk.find(Code.UNIQUE_ORPHAN, name, f"it names {task_id}, which is {task.state}", task_id)
    elif f"unique:{task.unique}" != name:
        walk.find(Code.UNIQUE_ORPHAN, name, f"it names {task_id}, whose key is another", task_id)
