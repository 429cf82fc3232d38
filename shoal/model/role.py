"""What a key or token allows: a role, and where it is narrower than that, scopes."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Self


class Role(IntEnum):
    """What a principal may do; each may do what the ones before it may."""

    #: See tasks, queues and workers.
    VIEWER = 1
    #: Submit and cancel tasks.
    SUBMITTER = 2
    #: Pause, resume, requeue, move many tasks at once, schedule.
    OPERATOR = 3
    #: Everything, also what can't be taken back.
    ADMIN = 4

    @property
    def word(self) -> str:
        """As people and tokens write it: ``viewer``."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The role of this name, in any case.

        Raises:
            ValueError: There is none.
        """
        try:
            return cls[text.strip().upper()]
        except KeyError:
            words = ", ".join(role.word for role in cls)
            raise ValueError(f"a role is one of {words}, not {text!r:.80}") from None


class Scope(StrEnum):
    """A part of the API. A key without scopes has all of them, as far as its role goes."""

    TASKS = "tasks"
    EVENTS = "events"
    #: Metrics, statistics and time series.
    STATS = "stats"
    SCHEDULES = "schedules"
    OPERATIONS = "operations"
    WORKERS = "workers"
    QUEUES = "queues"
    DLQ = "dlq"
    AUDIT = "audit"
    CONFIG = "config"


def parse_scopes(words: Iterable[str]) -> frozenset[Scope]:
    """The scopes of these names; none = all.

    Raises:
        ValueError: There is no such scope.
    """
    found = set()
    for word in words:
        try:
            found.add(Scope(word.strip().lower()))
        except ValueError:
            raise ValueError(f"a scope is one of {', '.join(Scope)}, not {word!r:.80}") from None
    return frozenset(found)
