"""What a handler is told about the task it runs, and what it may say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from shoal.model.duration import parse_duration
from shoal.model.note import Level, check_level, progress_of


class Desk(Protocol):
    """Takes what handlers say; every method may be called from any thread and does not wait."""

    def extend(self, run: Any, seconds: float) -> None:
        """The run gets so much more time."""

    def progress(self, run: Any, document: dict[str, Any]) -> None:
        """How far the run is; the last report counts."""

    def log(self, run: Any, level: str, message: str) -> None:
        """A line for the task's log."""


class TaskContext:
    """The first argument of every handler; one object for each attempt.

    Its methods may be called from the handler's own thread or coroutine, or from others that it
    started. Made by hand, for a test, it works and keeps nothing.
    """

    __slots__ = (
        "_desk",
        "_run",
        "attempt",
        "cancel_reason",
        "id",
        "metadata",
        "type",
        "worker_id",
    )

    def __init__(
        self,
        id: str,
        type: str,
        attempt: int,
        metadata: Mapping[str, str],
        worker_id: str,
        desk: Desk | None = None,
        run: Any = None,
    ) -> None:
        #: The task's id, the same over all its attempts: a key to make effects idempotent with.
        self.id = id
        self.type = type
        #: Which attempt this is, from 1; a requeue by an operator begins anew.
        self.attempt = attempt
        #: What the submitter attached; read-only.
        self.metadata = metadata
        #: The worker that runs it, ``<WORKER_ID>-<index>``.
        self.worker_id = worker_id
        #: Why the handler should stop, in one word; empty while it need not.
        self.cancel_reason = ""
        self._desk = desk
        self._run = run

    @property
    def cancelled(self) -> bool:
        """Whether the handler should stop: cancelled, overdue, or the worker lost the task.

        An ``async def`` handler is stopped by asyncio's cancellation and need not ask. A ``def``
        handler in a thread cannot be stopped: it should ask now and then, and return or raise. One
        in a process of its own has a second to do so before the process is killed.
        """
        return self.cancel_reason != ""

    def extend(self, seconds: float | str) -> None:
        """Give this attempt more time: its timeout is put off by so much. The next attempt's is not.

        Args:
            seconds: Seconds or a duration such as ``"5m"``; above 0.

        Raises:
            ValueError: It is no duration, or not above 0.
        """
        more_s = parse_duration(seconds)
        if more_s <= 0:
            raise ValueError(f"extend() takes more than 0 seconds, not {seconds!r}")
        if self._desk is not None:
            self._desk.extend(self._run, more_s)

    def progress(self, current: float, total: float | None = None, message: str = "") -> None:
        """Tell how far this attempt is; shown with the task as ``progress``.

        May be called as often as you like: at most every 200 ms the last report is stored.

        Args:
            current: How much is done; without ``total`` a fraction from 0 to 1.
            total: Of how much, above 0.
            message: What is being done, at most 1,000 characters.

        Raises:
            ValueError: It is no number, or the total is not above 0.
        """
        document = progress_of(current, total, message)
        if self._desk is not None:
            self._desk.progress(self._run, document)

    def log(self, message: str, level: Level = "info") -> None:
        """Write a line into the task's own log, which is kept and shown with the task.

        The last 100 lines and 16 KiB of all attempts are kept. Not a place for secrets.

        Args:
            message: At most 1,000 characters.
            level: ``debug``, ``info``, ``warning`` or ``error``.

        Raises:
            ValueError: There is no such level.
        """
        check_level(level)
        if self._desk is not None:
            self._desk.log(self._run, level, str(message))

    def request_stop(self, reason: str) -> None:
        """Called by the shard: the handler should stop. A second reason changes nothing."""
        if not self.cancel_reason:
            self.cancel_reason = reason or "cancelled"

    def __repr__(self) -> str:
        return f"TaskContext({self.type} {self.id}, attempt {self.attempt})"
