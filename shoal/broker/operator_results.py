"""What comes out of the verbs of operators."""

from typing import Any, Literal, NamedTuple

from shoal.model.task import format_time, from_unix_ms


class DeleteResult(NamedTuple):
    """What became of one delete; ``state`` is the task's state before it, empty when not found.

    ``recent``: it ended less than ``SHOAL_TOMBSTONE`` ago, and stays known for that long.
    """

    id: str
    status: Literal["deleted", "recent", "active", "not_found"]
    state: str


class PurgedSlice(NamedTuple):
    """One slice of a purge: how many were cancelled, the last entry meant, and where to go on ('' = done)."""

    purged: int
    last: str
    after: str


class PeekedTask(NamedTuple):
    """A task that will be claimed soon. ``ready_ms`` is when it became ready, by Redis' clock."""

    id: str
    type: str
    stream: str
    ready_ms: int
    #: A worker had it and handed it back: it goes before all others.
    returned: bool


class DeadGroup(NamedTuple):
    """DEAD tasks of one type that died of the same. Times are Unix ms; ``example`` is the newest one's id."""

    fingerprint: str
    type: str
    reason: str
    tasks: int
    newest_ms: int
    oldest_ms: int
    example: str

    def to_json(self) -> dict[str, Any]:
        """As it is shown: times in ISO 8601, no fingerprint as ``null``."""
        return {
            "tasks": self.tasks,
            "type": self.type,
            "reason": self.reason,
            "fingerprint": self.fingerprint or None,
            "newest": format_time(from_unix_ms(self.newest_ms)),
            "oldest": format_time(from_unix_ms(self.oldest_ms)),
            "example": self.example,
        }


class BulkAnswer(NamedTuple):
    """How far a part of a bulk operation is, and what it has done so far: answer → number of tasks."""

    status: Literal["ok", "conflict"]
    step: int
    is_finished: bool
    numbers: dict[str, int]
