"""The whole state of a partition as plain data, in words that a test can write down.

Task ids are replaced by the names that a test gave them, entry ids by ``<task's name>.<n>`` (its n-th
entry), times by ``MS``. One path holds one fact, so a verb's effect is the dict of paths that changed.
"""

import re
from collections.abc import Mapping
from typing import Any

import redis

from shoal.broker.keys import GROUP, PartitionKeys
from shoal.model.identity import task_id

State = dict[str, str]

_TASK_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLACE = re.compile(r"\b([A-Za-z][\w.-]*:[0-3](?::isolated)?)/(1[0-9]{12}-[0-9]+)")
_MS = re.compile(r"\b1[0-9]{12}\b")


class Names:
    """What a test calls its tasks, and what their entries are therefore called."""

    def __init__(self) -> None:
        self._id_of: dict[str, str] = {}
        self._name_of: dict[str, str] = {}
        self._entries: dict[str, str] = {}
        self._entries_of: dict[str, int] = {}
        self._journal: dict[str, int] = {}

    def id(self, name: str, partition: int = 0) -> str:
        """The id of a task by its name; the first use makes one."""
        if name not in self._id_of:
            made = task_id(partition, 1_700_000_000_000, len(self._id_of) + 1)
            self._id_of[name] = made
            self._name_of[made] = name
        return self._id_of[name]

    def name(self, task: str | bytes) -> str:
        """The name of a task by its id; the id itself when the test has not named it."""
        text = task.decode() if isinstance(task, bytes) else task
        return self._name_of.get(text, text)

    def note_entry(self, place: str, task: str) -> None:
        """Name an entry, given as ``<stream>/<entry id>``, after the task it carries."""
        if place not in self._entries:
            name = self.name(task)
            self._entries_of[name] = self._entries_of.get(name, 0) + 1
            self._entries[place] = f"{name}.{self._entries_of[name]}"

    def journal(self, entry: str) -> str:
        """A journal entry's number in the order seen."""
        return str(self._journal.setdefault(entry, len(self._journal) + 1))

    def words(self, raw: bytes | str) -> str:
        """A value with ids, entries and times replaced, and separators made visible."""
        text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
        text = _TASK_ID.sub(lambda match: self.name(match[0]), text)
        text = _PLACE.sub(lambda match: f"{match[1]}/{self._entries.get(match[0], 'entry')}", text)
        return _MS.sub("MS", text).replace("\x1f", "|").replace("\n", ";")


def snapshot(redis_client: redis.Redis, keys: PartitionKeys, names: Names) -> State:
    """Everything that a partition holds, path → value."""
    # The client's annotations know neither RESP2's forms nor decoding.
    client: Any = redis_client
    found = sorted(key.decode() for key in client.keys(f"{keys.prefix}*"))
    by_kind = {key: client.type(key).decode() for key in found}
    # Streams first: they name the entries that everything else speaks of.
    tasks = [key for key in found if key.startswith(keys.stream(""))]
    for key in tasks:
        for entry, fields in client.xrange(key):
            place = f"{key.removeprefix(keys.stream(''))}/{entry.decode()}"
            names.note_entry(place, fields.get(b"i", b"?").decode())
    state: State = {}
    for key in found:
        name = names.words(key.removeprefix(keys.prefix))
        kind = by_kind[key]
        if kind == "stream":
            rows = _stream(client, key, name, names)
        elif kind == "hash":
            rows = {
                f"{name}/{names.words(field)}": names.words(value)
                for field, value in client.hgetall(key).items()
            }
        elif kind == "zset":
            rows = {
                f"{name}/{names.words(member)}": names.words(_score(score))
                for member, score in client.zrange(key, 0, -1, withscores=True)
            }
        elif kind == "set":
            rows = {f"{name}/{names.words(member)}": "member" for member in client.smembers(key)}
        else:
            expires = " (expires)" if client.ttl(key) >= 0 else ""
            rows = {name: names.words(client.get(key)) + expires}
        state |= rows
    return state


def _stream(client: Any, key: str, name: str, names: Names) -> State:
    if name == "events":
        return {
            f"events/{number}": _fields(fields, names)
            for number, (_, fields) in enumerate(client.xrange(key), 1)
        }
    if name.startswith("done"):
        return {
            f"{name}/{names.journal(entry.decode())}": _fields(fields, names)
            for entry, fields in client.xrange(key)
        }
    state: State = {}
    groups = client.xinfo_groups(key)
    if not groups:
        state[name] = "no group"
    pending: dict[str, str] = {}
    for group in groups:
        state[name] = f"group {group['name'].decode()}"
        for consumer in client.xinfo_consumers(key, GROUP):
            state[f"{name}>{consumer['name'].decode()}"] = f"{consumer['pending']} pending"
        for row in client.xpending_range(key, GROUP, "-", "+", 10_000):
            holder = f"{row['consumer'].decode()} x{row['times_delivered']}"
            pending[row["message_id"].decode()] = holder
    for entry, fields in client.xrange(key):
        holder = pending.pop(entry.decode(), "")
        carried = f"{names.words(fields.get(b'i', b'?'))} {fields.get(b'y', b'?').decode()}"
        state[names.words(f"{name}/{entry.decode()}")] = (
            f"{carried} @ {holder}" if holder else carried
        )
    for lost, holder in pending.items():
        state[names.words(f"{name}/{lost}")] = f"(no entry) @ {holder}"
    return state


def _fields(fields: Mapping[bytes, bytes], names: Names) -> str:
    parts = []
    for field, value in fields.items():
        words = names.words(value)
        if field == b"i":
            ids = [value[at : at + 36] for at in range(0, len(value), 36)]
            words = ",".join(names.name(one) for one in ids)
        parts.append(f"{field.decode()}={words}")
    return " ".join(parts)


def _score(score: Any) -> str:
    return str(int(score)) if float(score).is_integer() else str(score)


def changes(before: State, after: State) -> dict[str, str | None]:
    """The paths whose value is another now, with the new value; ``None`` = gone."""
    return {
        path: after.get(path)
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    }
