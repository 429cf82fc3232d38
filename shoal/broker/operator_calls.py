"""The verbs of operators as data, beside those of :mod:`shoal.broker.calls`."""

from collections.abc import Sequence
from typing import Any

from shoal.broker.calls import MAX_TASKS, Argument, Call
from shoal.broker.operator_results import (
    BulkAnswer,
    DeadGroup,
    DeleteResult,
    PeekedTask,
    PurgedSlice,
)
from shoal.broker.scripts import script
from shoal.model.selection import BulkVerb, Selection


def delete(partition: int, ids: Sequence[str], tombstone_ms: int) -> Call[list[DeleteResult]]:
    """Forget ended tasks; at most 256."""

    def decode(reply: list[Any]) -> list[DeleteResult]:
        words = [word.decode() for word in reply]
        return [DeleteResult(*row) for row in zip(ids, words[0::2], words[1::2], strict=True)]

    return Call(script("delete"), partition, (tombstone_ms, *ids), decode)


def purge(
    partition: int, stream: str, reason: str, last: str = "", after: str = ""
) -> Call[PurgedSlice]:
    """Cancel what is PENDING in a slice of a stream; see ``lua/purge.lua``."""

    def decode(reply: list[Any]) -> PurgedSlice:
        return PurgedSlice(reply[0], reply[1].decode(), reply[2].decode())

    return Call(script("purge"), partition, (stream, reason, last, after), decode)


def peek(partition: int, stream: str, limit: int) -> Call[list[PeekedTask]]:
    """What claims of a stream bring next."""

    def decode(reply: list[Any]) -> list[PeekedTask]:
        fields = iter(reply)
        return [
            PeekedTask(raw.decode(), task_type.decode(), stream, _ms_of(entry), returned == 1)
            for raw, task_type, entry, returned in zip(fields, fields, fields, fields, strict=True)
        ]

    return Call(script("peek"), partition, (stream, min(limit, MAX_TASKS)), decode)


def oldest(partition: int) -> Call[tuple[int, dict[str, int]]]:
    """Redis' time in ms, and when the oldest ready task of each stream became ready; see ``lua/oldest.lua``."""

    def decode(reply: list[Any]) -> tuple[int, dict[str, int]]:
        names = (name.decode() for name in reply[1::2])
        return reply[0], dict(zip(names, reply[2::2], strict=True))

    return Call(script("oldest"), partition, (), decode)


def dead_groups(partition: int, limit: int, skip: int) -> Call[tuple[int, list[DeadGroup]]]:
    """How many DEAD tasks of a slice were looked at, newest first, and what they died of."""

    def decode(reply: list[Any]) -> tuple[int, list[DeadGroup]]:
        fields = iter(reply[1:])
        return reply[0], [
            DeadGroup(
                fingerprint.decode(),
                task_type.decode(),
                reason.decode(),
                tasks,
                newest_ms,
                oldest_ms,
                example.decode(),
            )
            for fingerprint, task_type, reason, tasks, newest_ms, oldest_ms, example in zip(
                *[fields] * 7, strict=True
            )
        ]

    return Call(script("dead_groups"), partition, (limit, skip), decode)


def bulk(
    partition: int,
    verb: BulkVerb,
    operation_id: str,
    part: str,
    step: int,
    selection: Selection,
    argument: str,
    *,
    digest: str,
    ids: Sequence[str] = (),
    is_last: bool = True,
    limit: int = MAX_TASKS,
) -> Call[BulkAnswer]:
    """One step of a bulk operation over at most ``limit`` tasks, or with step 0 only a look at its record."""
    arguments: list[Argument] = [operation_id, part, step, digest, argument]
    arguments += [
        selection.type or "",
        selection.fingerprint or "",
        selection.queue or "",
        "" if selection.since_ms is None else selection.since_ms,
        "" if selection.until_ms is None else selection.until_ms,
    ]
    if part == "ids":
        arguments += ["" if is_last else "more", *ids]
    else:
        arguments.append(limit)

    def decode(reply: list[Any]) -> BulkAnswer:
        names = (name.decode() for name in reply[3::2])
        return BulkAnswer(
            reply[0].decode(), reply[1], reply[2] == 1, dict(zip(names, reply[4::2], strict=True))
        )

    return Call(script(f"bulk_{verb.value}"), partition, arguments, decode)


def _ms_of(entry: bytes) -> int:
    return int(entry.partition(b"-")[0])
