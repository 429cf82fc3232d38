"""The journals of COMPLETED: every id once, of all types and of one alike."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from shoal.broker.verify_report import Code
from shoal.broker.verify_walk import SLICE, Walk, text

ID_LENGTH = 36
IDS_PER_ENTRY = 100


class Entry(NamedTuple):
    """One entry of a journal: the fields as they are."""

    id: str
    fields: dict[bytes, bytes]


async def check_journal(walk: Walk) -> None:
    """Walk `done` against the COMPLETED hashes, and each `done:<type>` against `done`."""
    #: By type: entry id to the ids of that type in it.
    parts: dict[str, dict[str, bytes]] = {}
    seen: set[bytes] = set()
    first: str | None = None
    async for entry in _entries(walk, "done"):
        first = first or entry.id
        by_type = _unpack(entry.fields)
        if by_type is None:
            sentence = f"entry {entry.id} can't be read"
            walk.find(Code.BAD_JOURNAL, "done", sentence, entry.id, entry=entry.id)
            continue
        for task_type, packed in by_type:
            here = parts.setdefault(task_type.decode(), {})
            here[entry.id] = here.get(entry.id, b"") + packed
            for task_id in _ids(packed):
                _check_id(walk, entry.id, task_id, task_type, is_repeated=task_id in seen)
                seen.add(task_id)
    for task_id in sorted(walk.completed.keys() - seen):
        # It may have been pruned since its hash was seen.
        if await walk.command("HGET", f"task:{task_id.decode()}", "state") == b"COMPLETED":
            walk.find(
                Code.JOURNAL_MISSING,
                "done",
                "a COMPLETED task is in no entry of it",
                task_id.decode(),
            )
    types = {name.removeprefix("done:") for name in walk.names["done:<type>"]}
    for name in sorted(types | parts.keys()):
        await _check_type(walk, name, parts.get(name, {}), first)


def _check_id(
    walk: Walk, entry: str, task_id: bytes, task_type: bytes, *, is_repeated: bool
) -> None:
    if is_repeated:
        sentence = f"entry {entry} names it again"
        walk.find(Code.JOURNAL_REPEATED, "done", sentence, text(task_id), entry=entry)
    # An id whose hash is gone or stands in another state is one that readers skip.
    if walk.completed.get(task_id, task_type) != task_type:
        walk.find(
            Code.TYPE_DIFFERS,
            "done",
            f"entry {entry} says {task_type.decode()}, its task {walk.completed[task_id].decode()}",
            text(task_id),
        )


async def _check_type(
    walk: Walk, task_type: str, parts: dict[str, bytes], first: str | None
) -> None:
    """Compare a type's journal with what `done` says of it, from `first` on.

    What is older has been pruned: a type's own journal loses it when it is next written.
    """
    name = f"done:{task_type}"
    left = dict(parts)
    seen: set[bytes] = set()
    async for entry in _entries(walk, name):
        packed = entry.fields.get(b"i", b"")
        if first is None or _is_before(entry.id, first):
            continue
        if left.pop(entry.id, None) != packed:
            walk.find(
                Code.JOURNAL_DIFFERS,
                name,
                f"entry {entry.id} is not that of `done`",
                entry.id,
                entry=entry.id,
            )
        for task_id in _ids(packed):
            if task_id in seen:
                walk.find(
                    Code.JOURNAL_REPEATED,
                    name,
                    f"entry {entry.id} names it again",
                    text(task_id),
                    entry=entry.id,
                )
            seen.add(task_id)
    for entry_id, packed in left.items():
        # A type with a shorter retention is pruned from its own journal first, hashes and all.
        if any(task_id in walk.completed for task_id in _ids(packed)):
            walk.find(
                Code.JOURNAL_DIFFERS,
                name,
                f"entry {entry_id} of `done` is missing",
                entry_id,
                entry=entry_id,
            )


def _is_before(entry: str, other: str) -> bool:
    """Whether one entry id is older than another."""
    return _parts(entry) < _parts(other)


def _parts(entry: str) -> tuple[int, int]:
    ms, _, seq = entry.partition("-")
    return int(ms), int(seq)


async def _entries(walk: Walk, name: str) -> AsyncIterator[Entry]:
    start = "-"
    while True:
        rows = await walk.command("XRANGE", name, start, "+", "COUNT", SLICE)
        for entry_id, flat in rows:
            yield Entry(entry_id.decode(), dict(zip(flat[0::2], flat[1::2], strict=True)))
        if len(rows) < SLICE:
            return
        start = f"({rows[-1][0].decode()}"


def _unpack(fields: dict[bytes, bytes]) -> list[tuple[bytes, bytes]] | None:
    """Types and their packed ids, in order; ``None`` when the entry is not of our form."""
    packed, runs = fields.get(b"i", b""), fields.get(b"y", b"")
    out, at = [], 0
    for run in runs.split(b" "):
        task_type, star, count = run.partition(b"*")
        if not task_type or (star and not count.isdigit()):
            return None
        length = int(count or 1) * ID_LENGTH
        out.append((task_type, packed[at : at + length]))
        at += length
    if at != len(packed) or not 0 < at <= IDS_PER_ENTRY * ID_LENGTH:
        return None
    return out


def _ids(packed: bytes) -> list[bytes]:
    return [packed[at : at + ID_LENGTH] for at in range(0, len(packed), ID_LENGTH)]
