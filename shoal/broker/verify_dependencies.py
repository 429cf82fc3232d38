"""Whoever waits for another will be told: by the other's dependents, or by a notice on its way."""

import re

from shoal.broker.outbox import Notice
from shoal.broker.verify_report import Code
from shoal.broker.verify_tasks import ENDED
from shoal.broker.verify_walk import SLICE, Walk, rows_of, text
from shoal.model.identity import parse_task_id, partition_of

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def check_dependencies(walk: Walk) -> None:
    """Walk who waits, then the outbox, then the dependents: a notice goes only after what it asks for stands."""
    waits = [
        (child, text(parent))
        for part in rows_of(sorted(set(walk.names["waiting:<id>"])), SLICE)
        for child, parents in zip(
            [name.removeprefix("waiting:") for name in part],
            await walk.command_each("SMEMBERS", part),
            strict=True,
        )
        for parent in parents
    ]
    notices = await _notices(walk)
    on_their_way = {(notice.child, notice.parent) for notice in notices if notice.kind == "watch"}
    await _check_waits(walk, [pair for pair in waits if pair not in on_their_way])
    told = {notice.parent for notice in notices if notice.kind == "finished"}
    await _check_dependents(walk, told)


async def _notices(walk: Walk) -> list[Notice]:
    out: list[Notice] = []
    first = 0
    while True:
        members = await walk.command("ZRANGE", "outbox", first, first + SLICE - 1)
        for raw in members:
            try:
                notice = Notice.parse(text(raw))
                owner = parse_task_id(notice.child or notice.parent)
                parse_task_id(notice.parent)
            except ValueError:
                walk.find(Code.BAD_NOTICE, "outbox", f"{text(raw)!r:.200} is no notice")
                continue
            out.append(notice)
            if partition_of(owner) != walk.partition:
                walk.find(
                    Code.BAD_NOTICE, "outbox", f"{notice.text} belongs to another partition", owner
                )
        if len(members) < SLICE:
            return out
        first += SLICE


async def _check_waits(walk: Walk, waits: list[tuple[str, str]]) -> None:
    by_partition: dict[int, list[tuple[str, str]]] = {}
    for child, parent in waits:
        if _ID.fullmatch(parent):
            by_partition.setdefault(partition_of(parent), []).append((child, parent))
        else:
            walk.find(Code.WAITING_LOST, f"waiting:{child}", f"{parent!r:.80} is no task id", child)
    for partition, pairs in by_partition.items():
        for part in rows_of(pairs, SLICE):
            scores = await walk.elsewhere(
                partition, "ZSCORE", [(f"dependents:{parent}", child) for child, parent in part]
            )
            for (child, parent), score in zip(part, scores, strict=True):
                if score is None:
                    walk.find(
                        Code.WAITING_LOST,
                        f"waiting:{child}",
                        f"it waits for {parent}, which does not know it, and no notice is on its way",
                        child,
                    )


async def _check_dependents(walk: Walk, told: set[str]) -> None:
    for part in rows_of(sorted(set(walk.names["dependents:<id>"])), SLICE):
        parents = [name.removeprefix("dependents:") for name in part]
        rows = await walk.elsewhere(
            walk.partition,
            "HMGET",
            [(f"task:{parent}", "type", "state", "ends") for parent in parents],
        )
        for parent, (task_type, state, ends) in zip(parents, rows, strict=True):
            ended = task_type is None or text(state or b"") in ENDED
            if ended and parent not in told:
                walk.find(
                    Code.NOTICE_MISSING,
                    f"dependents:{parent}",
                    f"the task is {text(state) if state else 'gone'}, and no notice says so to its dependents",
                    parent,
                )
            elif not ended and b"d" not in (ends or b""):
                walk.find(
                    Code.NOTICE_MISSING,
                    f"task:{parent}",
                    "the task has dependents, and its field `ends` does not say so",
                    parent,
                )
            await _check_members(walk, f"dependents:{parent}")


async def _check_members(walk: Walk, name: str) -> None:
    first = 0
    while True:
        flat = await walk.command("ZRANGE", name, first, first + SLICE - 1, "WITHSCORES")
        for raw, score in rows_of(flat, 2):
            child = text(raw)
            if not _ID.fullmatch(child) or partition_of(child) != int(float(score)):
                walk.find(
                    Code.BAD_DEPENDENT, name, f"{child!r:.80} with the score {text(score)}", child
                )
        if len(flat) < 2 * SLICE:
            return
        first += SLICE
