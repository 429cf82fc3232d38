"""How a task that has ended is told to who waits for it."""

from __future__ import annotations

from typing import Any

from shoal.errors import TaskCancelled, TaskFailed
from shoal.model.task import Task
from shoal.model.transitions import State


def result_or_raise(task: Task) -> Any:
    """What the handler of a task returned that has ended.

    Raises:
        TaskFailed: The task is DEAD.
        TaskCancelled: It was cancelled.
    """
    if task.state is State.COMPLETED:
        return task.result
    if task.state is State.CANCELLED:
        raise TaskCancelled(task, f"task {task.id} was cancelled{_because(task)}")
    raise TaskFailed(task, f"task {task.id} is DEAD{_because(task)}")


def _because(task: Task) -> str:
    error = task.error if isinstance(task.error, dict) else {}
    parts = [task.reason or "", ": ".join(str(error[k]) for k in ("type", "message") if k in error)]
    said = "; ".join(part for part in parts if part)
    return f": {said}" if said else ""
