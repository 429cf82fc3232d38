"""What a submitter may say about a task, checked and brought into the form the broker takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol, TypedDict

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
#: The most tasks that one may depend on.
MAX_PARENTS = 1000
_NO_STATES: Final[Mapping[str, str]] = MappingProxyType({})


class HasId(Protocol):
    """A task by its id: a ``TaskHandle``, a ``Task``."""

    @property
    def id(self) -> str:
        """The task's id."""


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
    #: Run it once these have COMPLETED: at most 1,000 handles or ids.
    depends_on: Iterable[HasId | str] | None
    #: What becomes of it when one of those is DEAD or CANCELLED: it is cancelled too (``"cancel"``, the
    #: default; so are those that depend on it), or it runs once all have ended (``"run"``).
    on_dependency_failure: Literal["cancel", "run"] | None
    #: How long it is kept once it has ended: seconds, ``"1h"`` or a timedelta; at most what its type and the
    #: server say. 0: payload, result and history go at once. Default: what its type or the server says.
    retention: str | float | timedelta | None


class TypeDefaults(NamedTuple):
    """What a task type's definition says for tasks whose submitter says nothing."""

    queue: str = DEFAULT_QUEUE
    priority: Priority = Priority.NORMAL
    retry: RetryPolicy | None = None
    #: How long its ended tasks are kept, in seconds; ``None`` = TASK_RETENTION_DAYS.
    retention_s: float | None = None


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
    #: Seconds; ``None`` = what holds for its type.
    retention_s: float | None = None
    #: Ids of the tasks it waits for.
    depends_on: tuple[str, ...] = ()
    runs_anyway: bool = False
    #: How those of them were seen to stand that are not submitted together with it.
    parent_states: Mapping[str, str] = _NO_STATES


def make_plan(
    type: str,
    options: SubmitOptions,
    now_s: float,
    defaults: TypeDefaults = TypeDefaults(),  # noqa: B008 - immutable
    max_retention_s: float | None = None,
) -> Plan:
    """Check what the submitter said.

    Args:
        type: The task type.
        options: As given.
        now_s: Unix time, to show when a delayed task was meant to run.
        defaults: Of the task type.
        max_retention_s: How long the server keeps ended tasks; ``None`` = not known here.

    Raises:
        InvalidTask: Something is wrong with it; the message says what to write.
        TypeError: There is no such option.
    """
    if not options:
        checked = _checked("type", check_type, type)
        kept_s = _retention(None, defaults, max_retention_s)
        header = encode_spec(b"")
        priority = int(defaults.priority)
        return Plan(checked, defaults.queue, priority, None, None, header, None, None, kept_s)
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
    task_id = _checked("task_id", parse_task_id, given["task_id"]) if "task_id" in given else None
    parents = _checked("depends_on", check_parents, given.get("depends_on", ()))
    if task_id in parents:
        raise InvalidTask("depends_on: a task can't wait for itself")
    on_failure = given.get("on_dependency_failure", "cancel")
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
        task_id=task_id,
        retention_s=_retention(given.get("retention"), defaults, max_retention_s),
        depends_on=parents,
        runs_anyway=_checked("on_dependency_failure", _check_on_failure, on_failure) == "run",
    )


def check_retention(retention: str | float | timedelta | None) -> float | None:
    """Seconds, 0 or more, or ``ValueError``; ``None`` stays ``None``."""
    return None if retention is None else _seconds(retention)


def _retention(
    given: str | float | timedelta | None, defaults: TypeDefaults, max_s: float | None
) -> float | None:
    """What is to be stored with the task; a type's own retention is the janitor's, but for 0."""
    of_type_s = defaults.retention_s
    if of_type_s is not None and max_s is not None and of_type_s > max_s:
        raise InvalidTask(
            f"retention: the task type says {of_type_s:g} s, and tasks are kept for {max_s:g} s "
            "(TASK_RETENTION_DAYS)"
        )
    retention_s = _checked("retention", check_retention, given)
    if retention_s is None:
        return 0.0 if of_type_s == 0 else None
    for limit_s, whose in ((of_type_s, "its type"), (max_s, "TASK_RETENTION_DAYS")):
        if limit_s is not None and retention_s > limit_s:
            raise InvalidTask(f"retention: must be at most {limit_s:g} s ({whose})")
    return float(retention_s)


def check_parents(parents: Iterable[HasId | str]) -> tuple[str, ...]:
    """The ids of tasks that one depends on, each once, or ``ValueError``."""
    if isinstance(parents, str | bytes | Mapping) or not isinstance(parents, Iterable):
        raise ValueError("must be a list of task ids or handles")  # noqa: TRY004 - bad input
    ids = tuple(dict.fromkeys(parse_task_id(_id_of(parent)) for parent in parents))
    if len(ids) > MAX_PARENTS:
        raise ValueError(f"at most {MAX_PARENTS} tasks, not {len(ids)}")
    return ids


def _id_of(parent: HasId | str) -> str:
    task_id = parent if isinstance(parent, str) else getattr(parent, "id", None)
    if not isinstance(task_id, str):
        raise ValueError(f"must hold task ids or handles, not {type(parent).__name__}")  # noqa: TRY004
    return task_id


def _check_on_failure(word: object) -> object:
    if word not in ("cancel", "run"):
        raise ValueError('must be "cancel" or "run"')
    return word


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
