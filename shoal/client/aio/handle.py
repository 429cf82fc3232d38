"""A submitted task in the hands of its submitter, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoal.clock import mono_s
from shoal.errors import ResultTimeout
from shoal.model.duration import parse_duration
from shoal.model.task import Task
from shoal.model.transitions import TERMINAL, State
from shoal.task_end import result_or_raise

if TYPE_CHECKING:
    from shoal.client.aio.client import Client

#: How long one request waits for a task's end, in seconds; then the next does.
_LOOK_S = 20.0


class Handle:
    """One task, by its id; the same verbs as ``shoal.app.TaskHandle``."""

    __slots__ = ("_client", "id")

    def __init__(self, client: Client, id: str) -> None:
        self._client = client
        self.id = id

    async def task(self) -> Task:
        """Everything that is known of the task now; raises ``TaskNotFound``."""
        return await self._client.task(self.id)

    async def state(self) -> State:
        """Where the task stands now; raises as ``task``."""
        return (await self._client.task(self.id)).state

    async def result(self, timeout: str | float | None = None) -> Any:
        """Wait until the task has ended, and return what its handler returned.

        Args:
            timeout: How long to wait: seconds or ``"5m"``; ``None`` waits for ever.

        Raises:
            TaskFailed: The task is DEAD.
            TaskCancelled: It was cancelled.
            ResultTimeout: It has not ended in time; it goes on.
            TaskNotFound: There is none with this id, or its retention has passed.
            ApiUnreachable: The API did not answer, also after the retries; the task goes on.
        """
        seconds = None if timeout is None else parse_duration(timeout)
        deadline_s = None if seconds is None else mono_s() + seconds
        while True:
            left_s = _LOOK_S if deadline_s is None else deadline_s - mono_s()
            task = await self._client.task(self.id, wait=min(max(left_s, 0.0), _LOOK_S))
            if task.state in TERMINAL:
                return result_or_raise(task)
            if deadline_s is not None and mono_s() >= deadline_s:
                raise ResultTimeout(f"task {self.id} has not ended after {seconds:g} s")

    async def cancel(self) -> bool:
        """Cancel the task; as ``Client.cancel``."""
        return await self._client.cancel(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Handle({self.id!r})"
