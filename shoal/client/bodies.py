"""From what callers say to the JSON that the API takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from shoal.codec import encode_payload
from shoal.errors import InvalidPayload, InvalidSchedule, InvalidTask, describe
from shoal.model.duration import parse_duration
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy
from shoal.submission import SubmitOptions, check_parents, make_plan

#: A batch is sent when it has so many tasks, or their payloads so many bytes: half of what the API takes.
MAX_TASKS: Final = 500
MAX_BYTES: Final = 8 * 1024 * 1024
_DURATIONS = ("delay", "timeout", "retention")
_AS_THEY_ARE = ("queue", "unique_key", "on_dependency_failure")

_OF_SCHEDULES = {"priority", "queue", "timeout", "max_retries", "metadata", "retention"}

encode = msgspec.json.Encoder().encode


def submission(type: str, payload: Any, options: SubmitOptions) -> bytes:
    """The body of a submission.

    Raises:
        InvalidTask: Something is wrong with it, as ``Shoal.submit`` would say.
    """
    return with_payload(header(type, options), payload)


def header(type: str, options: SubmitOptions) -> dict[str, Any]:
    """A submission but for its payload; raises as ``submission``."""
    if options.get("task_id") is not None:
        raise InvalidTask("task_id: the API chooses ids; give idempotency_key to repeat safely")
    make_plan(type, options, time.time())
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    body: dict[str, Any] = {"type": type}
    body |= {name: given[name] for name in _AS_THEY_ARE if name in given}
    body |= {name: seconds(given[name]) for name in _DURATIONS if name in given}
    if "priority" in given:
        body["priority"] = Priority.parse(given["priority"]).name
    if "scheduled_at" in given:
        body["scheduled_at"] = instant(given["scheduled_at"])
    if "metadata" in given:
        body["metadata"] = dict(given["metadata"])
    if "depends_on" in given:
        body["depends_on"] = list(check_parents(given["depends_on"]))
    policy = _policy(given["retry"]) if "retry" in given else {}
    if "max_retries" in given:
        policy["max_retries"] = given["max_retries"]
    if policy:
        body["retry_policy"] = policy
    return body


def with_payload(body: Mapping[str, Any], payload: Any) -> bytes:
    """The body of one task, its payload as it is; raises ``InvalidPayload``."""
    return encode({**body, "payload": msgspec.Raw(encode_payload(payload))})


def batches(type: str, payloads: Iterable[Any], options: SubmitOptions) -> list[list[bytes]]:
    """The bodies of many tasks, in order, in batches that the API takes; all are checked first.

    Raises:
        InvalidTask: As ``submission``; the place of a wrong payload is named.
    """
    if options.get("unique_key") is not None:
        raise InvalidTask("unique_key is for one task, not for submit_many")
    shared = header(type, options)
    found: list[list[bytes]] = []
    size = 0
    for place, payload in enumerate(payloads):
        try:
            body = with_payload(shared, payload)
        except InvalidPayload as error:
            faults = [
                {**fault, "message": f"payload {place}: {describe(fault)}"}
                for fault in error.errors
            ]
            raise InvalidPayload(faults) from None  # type: ignore[arg-type]
        if not found or len(found[-1]) >= MAX_TASKS or size + len(body) > MAX_BYTES:
            found.append([])
            size = 0
        found[-1].append(body)
        size += len(body)
    return found


def batch(bodies: Sequence[bytes]) -> bytes:
    """The body of a batch."""
    return b'{"tasks":[%s]}' % b",".join(bodies)


def selection(ids: Sequence[str] | None, filter: Mapping[str, Any] | None) -> dict[str, Any]:
    """Ids or a filter, as operations take them; the API says what is wrong with them."""
    body: dict[str, Any] = {}
    if ids is not None:
        body["task_ids"] = list(ids)
    if filter is not None:
        body["filter"] = {
            name: instant(value) if isinstance(value, datetime) else value
            for name, value in filter.items()
            if value is not None
        }
    return body


def seconds(value: str | float | timedelta) -> str | float:
    """A duration as the API takes it."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def seconds_of(value: str | float | timedelta) -> float:
    """A duration in seconds; raises ``ValueError``."""
    return parse_duration(seconds(value))


def schedule(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a schedule's tasks.

    Raises:
        InvalidSchedule: There is no such option.
    """
    if unknown := sorted(set(options) - _OF_SCHEDULES):
        raise InvalidSchedule(f"there is no option {unknown[0]!r}: {', '.join(_OF_SCHEDULES)}")
    body = {name: value for name, value in options.items() if value is not None}
    for name in ("timeout", "retention"):
        if name in body:
            body[name] = seconds(body[name])
    if "priority" in body:
        body["priority"] = Priority.parse(body["priority"]).name
    return body


def instant(value: datetime | str) -> str:
    """A time as the API takes it."""
    return value if isinstance(value, str) else value.isoformat()


def _policy(retry: RetryPolicy) -> dict[str, Any]:
    return {
        "max_retries": retry.max_retries,
        "strategy": retry.strategy,
        "initial_backoff": retry.initial_backoff,
        "max_backoff": retry.max_backoff,
        "backoff_factor": retry.backoff_factor,
        "jitter": retry.jitter,
    }
