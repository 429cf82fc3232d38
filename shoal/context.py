"""What a handler is told about the task it runs."""

from __future__ import annotations

from collections.abc import Mapping


class TaskContext:
    """The first argument of every handler; one object for each attempt."""

    __slots__ = ("attempt", "cancel_reason", "id", "metadata", "type", "worker_id")

    def __init__(
        self,
        id: str,
        type: str,
        attempt: int,
        metadata: Mapping[str, str],
        worker_id: str,
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

    @property
    def cancelled(self) -> bool:
        """Whether the handler should stop: cancelled, overdue, or the worker lost the task.

        An ``async def`` handler is stopped by asyncio's cancellation and need not ask; a ``def``
        handler, which runs in a thread and cannot be stopped, should ask now and then and
        return or raise.
        """
        return self.cancel_reason != ""

    def request_stop(self, reason: str) -> None:
        """Called by the shard: the handler should stop. A second reason changes nothing."""
        if not self.cancel_reason:
            self.cancel_reason = reason or "cancelled"

    def __repr__(self) -> str:
        return f"TaskContext({self.type} {self.id}, attempt {self.attempt})"
