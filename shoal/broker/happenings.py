"""What an entry of `events` says, one task at a time; docs/keyspace.md has the packed form."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from shoal.model.event import EventType
from shoal.model.identity import Incarnation
from shoal.model.priority import Priority

_RUN = re.compile(r"([^\s*]+)(?:\*(\d+))?")
_ID = 36


class Happening(NamedTuple):
    """Something that happened to a task or a worker.

    Attributes:
        event: Its public name; ``None`` = readers are not told, but the task changed.
        task_id: Empty for workers.
        task_type: Empty for workers.
        state: The task's state from then on; empty = the same.
        queue: Empty where the entry does not say it.
        priority: Its number; -1 where the entry does not say it.
        worker: The incarnation; empty = none was concerned.
        data: What else there is to say.
    """

    event: EventType | None
    task_id: str = ""
    task_type: str = ""
    state: str = ""
    queue: str = ""
    priority: int = -1
    worker: str = ""
    data: dict[str, Any] = {}  # noqa: RUF012 - never written to

    @property
    def worker_id(self) -> str:
        """What people call the worker."""
        try:
            return Incarnation.parse(self.worker).name
        except ValueError:
            return self.worker

    def document(self) -> dict[str, Any]:
        """The ``data`` of the public event."""
        document: dict[str, Any] = {}
        if self.task_id:
            document = {"task_id": self.task_id, "task_type": self.task_type}
        if self.state:
            document["state"] = self.state
        if self.queue:
            document["queue"] = self.queue
            document["priority"] = Priority(self.priority).name
        if self.worker:
            document["worker_id"] = self.worker_id
        return document | self.data


def happenings(fields: list[bytes], journal: list[bytes]) -> list[Happening]:
    """All that an entry of a partition says; what a newer release writes is passed over.

    Args:
        fields: Names and values, in turn.
        journal: Ids and types, in turn, of the journal entries that it names.
    """
    values = {fields[at]: fields[at + 1].decode() for at in range(0, len(fields) - 1, 2)}
    kind = values.get(b"k", "")
    worker = values.get(b"w", "")
    if kind == "submitted":
        return list(_submitted(values))
    if kind == "started":
        return [
            Happening(EventType.TASK_STARTED, i, y, "RUNNING", queue, priority, worker)
            for i, y, queue, priority in _tasks(values)
        ]
    out: list[Happening] = []
    for at in range(0, len(journal) - 1, 2):
        ids, types = journal[at].decode(), runs(journal[at + 1].decode())
        out += [
            Happening(EventType.TASK_COMPLETED, i, y, "COMPLETED", worker=worker)
            for i, y in zip(_ids(ids), types, strict=False)
        ]
    read = _LINES.get(kind)
    if read is not None:
        for line in values.get(b"o", "").splitlines():
            words = line.split(" ", 3)
            if len(words) >= 3:
                out += read(words[0], words[1], words[2], "".join(words[3:]), worker)
    return out


def worker_happenings(fields: list[bytes]) -> list[Happening]:
    """What an entry of the namespace says."""
    values = {fields[at]: fields[at + 1].decode() for at in range(0, len(fields) - 1, 2)}
    if values.get(b"k") == "depth":
        queue, _, priority = values[b"s"].partition(":")
        data: dict[str, Any] = {"depth": int(values[b"n"]), "level": values[b"l"]}
        return [Happening(EventType.QUEUE_DEPTH, queue=queue, priority=int(priority), data=data)]
    event = _WORKER_EVENTS.get(values.get(b"k", ""))
    if event is None:
        return []
    data = {"reason": values[b"r"]} if b"r" in values else {}
    return [Happening(event, worker=values.get(b"w", ""), data=data)]


_WORKER_EVENTS = {
    "joined": EventType.WORKER_JOINED,
    "left": EventType.WORKER_LEFT,
    "paused": EventType.WORKER_PAUSED,
    "resumed": EventType.WORKER_RESUMED,
}


def runs(text: str) -> list[str]:
    """``a*2 b`` as ``[a, a, b]``."""
    out: list[str] = []
    for word, times in _RUN.findall(text):
        out += [word] * int(times or 1)
    return out


def _ids(text: str) -> list[str]:
    return [text[at : at + _ID] for at in range(0, len(text), _ID)]


def _tasks(values: dict[bytes, str]) -> Iterator[tuple[str, str, str, int]]:
    streams = runs(values.get(b"s", ""))
    for i, y, stream in zip(
        _ids(values.get(b"i", "")), runs(values.get(b"y", "")), streams, strict=False
    ):
        queue, priority = stream.split(":")[:2]
        yield i, y, queue, int(priority)


def _submitted(values: dict[bytes, str]) -> Iterator[Happening]:
    later = {int(place) for place in values.get(b"d", "").split()}
    for place, (i, y, queue, priority) in enumerate(_tasks(values), 1):
        event, state = EventType.TASK_SUBMITTED, "PENDING"
        if place in later:
            event, state = EventType.TASK_SCHEDULED, "SCHEDULED"
        yield Happening(event, i, y, state, queue, priority)
    for line in values.get(b"o", "").splitlines():
        i, y, state, reason = line.split(" ", 3)
        yield Happening(EventType.TASK_CANCELLED, i, y, state, data={"reason": reason})


_Lines = Callable[[str, str, str, str, str], list[Happening]]


def _settled(i: str, y: str, state: str, reason: str, worker: str) -> list[Happening]:
    if state == "FAILED":
        data: dict[str, Any] = {"will_retry": True}
        if reason.startswith("+"):
            data["retry_in"] = int(reason[1:]) / 1000
        return [Happening(EventType.TASK_FAILED, i, y, state, worker=worker, data=data)]
    if state == "DEAD":
        why, _, fingerprint = reason.partition(":")
        data = {"reason": why}
        if fingerprint:
            data["fingerprint"] = fingerprint
        failed = Happening(
            EventType.TASK_FAILED, i, y, state, worker=worker, data={"will_retry": False} | data
        )
        return [failed, Happening(EventType.TASK_DEAD, i, y, state, worker=worker, data=data)]
    return _changed(i, y, state, reason, worker)


def _changed(i: str, y: str, state: str, reason: str, worker: str) -> list[Happening]:
    """Of most words only the end of a task is told."""
    event = {"CANCELLED": EventType.TASK_CANCELLED, "DEAD": EventType.TASK_DEAD}.get(state)
    if event is None:
        now = {"returned": "PENDING", "isolated": "PENDING", "deleted": ""}.get(state, state)
        return [Happening(None, i, y, now, worker=worker)]
    return [Happening(event, i, y, state, worker=worker, data={"reason": reason})]


def _promoted(i: str, y: str, state: str, reason: str, worker: str) -> list[Happening]:
    event = EventType.TASK_RETRYING if reason == "FAILED" else None
    return [Happening(event, i, y, state, worker=worker)]


def _requeued(i: str, y: str, state: str, reason: str, worker: str) -> list[Happening]:
    data = {"operation_id": reason}
    return [Happening(EventType.TASK_REQUEUED, i, y, state, worker=worker, data=data)]


def _progress(i: str, y: str, _word: str, reason: str, worker: str) -> list[Happening]:
    data = {"fraction": float(reason)} if reason else {}
    return [Happening(EventType.TASK_PROGRESS, i, y, worker=worker, data=data)]


_LINES: dict[str, _Lines] = {
    "settled": _settled,
    "progress": _progress,
    "promoted": _promoted,
    "requeued": _requeued,
    "interrupted": _changed,
    "isolated": _changed,
    "cancelled": _changed,
    "resolved": _changed,
    "deleted": _changed,
}
