"""What a submitter may say about a task, checked and brought into the form the broker takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict

from shoal.codec import encode_spec
from shoal.errors import InvalidTask
from shoal.model.duration import parse_duration
from shoal.model.identity import check_queue, check_type, parse_task_id
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy

DEFAULT_QUEUE = "default"
#: The longest time one attempt may be given.
MAX_TIMEOUT_S = 30 * 86_400.0
#: Metadata is carried through every claim, so it is kept small.
MAX_METADATA_CHARS = 4096
MAX_UNIQUE_KEY_CHARS = 512
MAX_YEAR = 9000


class SubmitOptions(TypedDict, total=False):
    """The keyword arguments of every ``submit``; each may be left out or ``None``."""

    #: A name or number; default: the task type's, else NORMAL.
    priority: Priority | str | int | None
    #: Run it after this long: seconds, ``"5m"`` or a timedelta; not with ``scheduled_at``.
    delay: str | float | timedelta | None
    #: Run it at this time: an aware datetime, or ISO 8601 with an offset; what is past runs now.
    scheduled_at: datetime | str | None
    #: Where workers find it; default: the task type's, else ``default``.
    queue: str | None
    #: How long one attempt may take: seconds, ``"30s"`` or a timedelta; default: the worker's.
    timeout: str | float | timedelta | None
    #: How often a failure is retried, 0 to 99; changes only this in the retry policy.
    max_retries: int | None
    #: When failures are retried; default: the task type's, else the worker's.
    retry: RetryPolicy | None
    #: Texts that come along to the handler and the task's page; never a place for secrets.
    metadata: Mapping[str, str] | None
    #: While a task with this key has not ended, another submission of it returns that task.
    unique_key: str | None
    #: The id to use; repeating a submission with its id is safe. Default: a new one.
    task_id: str | None


class TypeDefaults(NamedTuple):
    """What a task type's definition says for tasks whose submitter says nothing."""

    queue: str = DEFAULT_QUEUE
    priority: Priority = Priority.NORMAL
    retry: RetryPolicy | None = None


class Plan(NamedTuple):
    """All of a submission but its id and payload; tasks submitted alike share it."""

    type: str
    queue: str
    priority: int
    due_s: float | None
    delay_s: float | None
    #: The spec's beginning; the payload's JSON follows.
    header: bytes
    unique_key: str | None
    task_id: str | None


def make_plan(
    type: str,
    options: SubmitOptions,
    now_s: float,
    defaults: TypeDefaults = TypeDefaults(),  # noqa: B008 - immutable
) -> Plan:
    """Check what the submitter said.

    Args:
        type: The task type.
        options: As given.
        now_s: Unix time, to show when a delayed task was meant to run.
        defaults: Of the task type.

    Raises:
        InvalidTask: Something is wrong with it; the message says what to write.
        TypeError: There is no such option.
    """
    if not options:
        checked = _checked("type", check_type, type)
        queue, priority, _ = defaults
        return Plan(checked, queue, int(priority), None, None, encode_spec(b""), None, None)
    if unknown := options.keys() - SubmitOptions.__annotations__.keys():
        raise TypeError(f"submit() has no argument {min(unknown)!r}")
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    due_s, delay_s = _time(given)
    retry = given.get("retry")
    if "max_retries" in given:
        base = retry or defaults.retry or RetryPolicy()
        retry = _checked(
            "max_retries", lambda n: dataclasses.replace(base, max_retries=n), given["max_retries"]
        )
    unique_key = given.get("unique_key")
    if unique_key is not None:
        _checked("unique_key", _check_unique_key, unique_key)
    meant_s = due_s if delay_s is None else now_s + delay_s
    return Plan(
        type=_checked("type", check_type, type),
        queue=_checked("queue", check_queue, given.get("queue", defaults.queue)),
        priority=int(
            _checked("priority", Priority.parse, given.get("priority", defaults.priority))
        ),
        due_s=due_s,
        delay_s=delay_s,
        header=encode_spec(
            b"",
            retry=retry,
            timeout_s=_checked("timeout", check_timeout, given.get("timeout")),
            metadata=_checked("metadata", _check_metadata, given.get("metadata")),
            unique_key=unique_key,
            scheduled_ms=None if meant_s is None else round(meant_s * 1000),
        ),
        unique_key=unique_key,
        task_id=_checked("task_id", parse_task_id, given["task_id"])
        if "task_id" in given
        else None,
    )


def check_timeout(timeout: str | float | timedelta | None) -> float | None:
    """Seconds, above 0 and at most 30 days, or ``ValueError``; ``None`` stays ``None``."""
    if timeout is None:
        return None
    seconds = _seconds(timeout)
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise ValueError("must be above 0 and at most 30 days, such as 30 or '5m'")
    return seconds


def _seconds(value: str | float | timedelta) -> float:
    return parse_duration(value.total_seconds() if isinstance(value, timedelta) else value)


def _time(given: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """(due, delay): at most one of them is not ``None``."""
    if "delay" in given:
        if "scheduled_at" in given:
            raise InvalidTask("give delay or scheduled_at, not both")
        delay_s = _checked("delay", _seconds, given["delay"])
        return None, delay_s or None
    if "scheduled_at" in given:
        return _checked("scheduled_at", _instant, given["scheduled_at"]), None
    return None, None


def _instant(value: datetime | str) -> float:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(
            f"must be ISO 8601 such as 2030-01-31T12:00:00Z, not {value!r:.80}"
        ) from None
    if not isinstance(time, datetime):
        raise ValueError("must be a datetime or ISO 8601 text")  # noqa: TRY004 - bad input
    if time.tzinfo is None:
        raise ValueError("needs a time zone, such as 2030-01-31T12:00:00Z")
    if time.year > MAX_YEAR:  # in UTC it may be a year later, which must still be a date
        raise ValueError(f"must not lie after the year {MAX_YEAR}")
    return max(time.timestamp(), 0.0)


def _check_metadata(metadata: Any) -> dict[str, str] | None:
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping) or not all(
        isinstance(part, str) for item in metadata.items() for part in item
    ):
        raise ValueError("must map texts to texts")
    if sum(len(key) + len(value) for key, value in metadata.items()) > MAX_METADATA_CHARS:
        raise ValueError(f"must have at most {MAX_METADATA_CHARS} characters in all")
    return dict(metadata)


def _check_unique_key(key: object) -> None:
    if not isinstance(key, str) or not 0 < len(key) <= MAX_UNIQUE_KEY_CHARS:
        raise ValueError(f"must be a text of 1 to {MAX_UNIQUE_KEY_CHARS} characters")


def _checked(what: str, check: Any, value: Any) -> Any:
    try:
        return check(value)
    except (ValueError, TypeError, AttributeError) as error:
        message = str(error)
        raise InvalidTask(message if what in message else f"{what}: {message}") from None
