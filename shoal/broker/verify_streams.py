"""Each entry of a stream has its task, each task one entry; each pending entry is there."""

from collections.abc import Sequence
from typing import Any

from shoal.broker.verify_keyspace import pattern_of
from shoal.broker.verify_report import Code
from shoal.broker.verify_walk import SLICE, Walk, rows_of, text

_STREAM = pattern_of("stream:<queue>:<priority>")


async def check_streams(walk: Walk) -> None:
    """Walk every stream that exists, and every one that the queues say exists."""
    queues = {name.decode() for name in await walk.command("SMEMBERS", "queues")}
    names = set(walk.names["stream:<queue>:<priority>"])
    names.update(walk.names["stream:<queue>:<priority>:isolated"])
    for queue in queues:
        for priority in range(4):
            names |= {f"stream:{queue}:{priority}{isolated}" for isolated in ("", ":isolated")}
    for name in sorted(names):
        match = _STREAM.match(name)
        if match is not None and match["queue"] not in queues:
            walk.find(Code.QUEUE_UNLISTED, name, f"`queues` does not have {match['queue']}")
        await _check_entries(walk, name)
        await _check_pending(walk, name)


async def _check_entries(walk: Walk, name: str) -> None:
    stream = name.removeprefix("stream:")
    start = "-"
    while True:
        reply = await walk.script("verify_stream", stream, start, SLICE)
        rows = list(rows_of(reply, 7))
        for row in rows:
            _check_entry(walk, name, row)
        if len(rows) < SLICE:
            return
        start = f"({rows[-1][0].decode()}"


def _check_entry(walk: Walk, name: str, row: Sequence[Any]) -> None:
    entry, task_id, task_type, hash_entry, state, hash_type = (
        text(field) for field in (*row[:3], *row[4:])
    )
    exists = row[3] == 1
    here = f"{name.removeprefix('stream:')}/{entry}"
    if not task_id:
        walk.find(Code.BAD_ENTRY, name, f"entry {entry} is not one of Shoal's", entry, entry=entry)
    elif not exists:
        sentence = f"entry {entry}: its task has no hash"
        walk.find(Code.ENTRY_WITHOUT_TASK, name, sentence, task_id, entry=entry)
    elif state:
        walk.find(
            Code.ENTRY_OF_IDLE_TASK,
            name,
            f"entry {entry} stands although its task is {state}",
            task_id,
            entry=entry,
        )
    elif hash_entry != here:
        walk.find(
            Code.SECOND_ENTRY,
            name,
            f"entry {entry}: its task stands at {hash_entry or '?'}",
            task_id,
            entry=entry,
        )
    elif task_type != hash_type:
        walk.find(
            Code.TYPE_DIFFERS,
            name,
            f"entry {entry} says {task_type}, its task says {hash_type}",
            task_id,
        )


async def _check_pending(walk: Walk, name: str) -> None:
    stream = name.removeprefix("stream:")
    start = "-"
    while True:
        reply = await walk.script("verify_pending", stream, start, SLICE)
        if reply == b"no_group":
            walk.find(Code.NO_GROUP, name, "the stream has no consumer group")
            return
        rows = list(rows_of(reply, 3))
        for entry, consumer, found in rows:
            if not found:
                walk.find(
                    Code.PENDING_WITHOUT_ENTRY,
                    name,
                    f"{consumer.decode()} has {entry.decode()} pending, and the stream has it not",
                    entry.decode(),
                    entry=entry.decode(),
                )
        if len(rows) < SLICE:
            return
        start = f"({rows[-1][0].decode()}"
