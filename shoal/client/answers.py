"""From the API's JSON to what callers get. What a newer API adds is left aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from shoal.client.errors import ApiFailed, error_of
from shoal.errors import ShoalError
from shoal.model.note import LogLine
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy
from shoal.model.task import Attempt, Task
from shoal.model.transitions import State

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of tasks, newest first."""

    tasks: Sequence[Task]
    #: How many fit in all, exactly.
    total: int
    #: Goes on after it; ``None`` = this is the last.
    next_cursor: str | None


def reading(kind: type[T]) -> Callable[[Any], T]:
    """Reads a document as this Struct."""

    def read(document: Any) -> T:
        try:
            return msgspec.convert(document, kind, strict=False)
        except msgspec.ValidationError as error:
            raise _strange(str(error)) from None

    return read


def member(name: str, kind: type[T]) -> Callable[[Any], T]:
    """Reads one member of a document as this type."""
    read = reading(kind)

    def of_member(document: Any) -> T:
        if not isinstance(document, Mapping) or name not in document:
            raise _strange(f"it has no member {name!r}")
        return read(document[name])

    return of_member


def task_of(document: Any) -> Task:
    """A task; what a page leaves out is ``None`` or empty."""
    try:
        return Task(
            id=document["id"],
            type=document["type"],
            state=State(document["state"]),
            created_at=datetime.fromisoformat(document["created_at"]),
            queue=document["queue"],
            priority=Priority.parse(document["priority"]),
            payload=document.get("payload"),
            retry_policy=_policy_of(document["retry_policy"]),
            timeout=float(document["timeout"]),
            scheduled_at=_time(document["scheduled_at"]),
            started_at=_time(document["started_at"]),
            completed_at=_time(document["completed_at"]),
            result=document.get("result"),
            error=document.get("error"),
            attempts=document["attempts"],
            worker_id=document["worker_id"],
            metadata=document["metadata"],
            history=tuple(_attempt_of(attempt) for attempt in document.get("history", ())),
            depends_on=tuple(document["depends_on"]),
            waiting_for=tuple(document.get("waiting_for", ())),
            reason=document["reason"],
            progress=document["progress"],
            log=tuple(_line_of(line) for line in document.get("log", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _strange(f"no task: {type(error).__name__}: {error}") from None


def page_of(document: Any) -> Page:
    """A page of tasks."""
    try:
        tasks = [task_of(task) for task in document["tasks"]]
        return Page(tasks, document["total"], document["next_cursor"])
    except (KeyError, TypeError) as error:
        raise _strange(f"no page: {error}") from None


def id_of(document: Any) -> str:
    """The id of an accepted task."""
    return member("task_id", str)(document)


def results_of(document: Any) -> list[str | ShoalError]:
    """Of a batch: for each task its id, or why it was refused."""
    results = member("results", list[dict[str, Any]])(document)
    return [
        result["task_id"]
        if "task_id" in result
        else error_of(int(result.get("status", 422)), result, result.get("retry_after"))
        for result in results
    ]


def has_passing(document: Any) -> bool:
    """Whether some of a batch were refused for a reason that passes."""
    results = document.get("results", ()) if isinstance(document, Mapping) else ()
    return any(result.get("status") in (429, 503) for result in results)


def nothing(_document: Any) -> None:
    """For answers that say nothing more."""


def _policy_of(document: Mapping[str, Any]) -> RetryPolicy:
    return RetryPolicy(
        max_retries=document["max_retries"],
        strategy=document["strategy"],
        initial_backoff=document["initial_backoff"],
        max_backoff=document["max_backoff"],
        backoff_factor=document["backoff_factor"],
        jitter=document["jitter"],
    )


def _attempt_of(document: Mapping[str, Any]) -> Attempt:
    return Attempt(
        number=document["number"],
        worker_id=document["worker_id"],
        started_at=_time(document["started_at"]),
        duration=document["duration"],
        outcome=document["outcome"],
        error=document["error"],
    )


def _line_of(document: Mapping[str, Any]) -> LogLine:
    return LogLine(
        attempt=document["attempt"],
        at=datetime.fromisoformat(document["at"]),
        level=document["level"],
        message=document["message"],
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _strange(why: str) -> ApiFailed:
    return ApiFailed(f"the answer is not one of Shoal's API: {why}", status=200)
