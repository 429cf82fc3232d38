"""Addresses, and the calls whose repetition needs thought."""

from __future__ import annotations

from urllib.parse import quote

from shoal.client.answers import member, nothing
from shoal.client.retrying import Call
from shoal.errors import ScheduleNotFound, ShoalError, TaskNotCancellable


def part(text: str) -> str:
    """An id as a part of a path."""
    return quote(text, safe="")


def task_path(task_id: str) -> str:
    """Of a task."""
    return f"/api/v1/tasks/{part(task_id)}"


def cancelling(task_id: str) -> Call[bool]:
    """Cancels a task; that it is CANCELLED already is what a try before has done."""

    def was_cancelled(error: ShoalError) -> bool:
        if isinstance(error, TaskNotCancellable) and error.state == "CANCELLED":
            return True
        raise error

    read = member("cancelled", bool)
    return Call("DELETE", task_path(task_id), read, if_repeated=was_cancelled)


def requeuing(task_id: str) -> Call[None]:
    """Makes a task ready again; not twice, since it may have failed again meanwhile."""
    path = f"/admin/tasks/{part(task_id)}/retry"
    return Call("POST", path, nothing, is_repeatable=False)


def unless_missing(error: ShoalError) -> None:
    """That it is gone already is what a try before has done."""
    if not isinstance(error, ScheduleNotFound):
        raise error
