"""From a task as Redis keeps it to the task as people see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shoal.codec import Spec, decode_json, decode_spec
from shoal.errors import InvalidPayload
from shoal.model.attempt import count_attempts, parse_history
from shoal.model.note import parse_log, parse_progress
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy
from shoal.model.task import Attempt, Task, attempts_of, from_unix_ms
from shoal.model.transitions import State

if TYPE_CHECKING:
    from shoal.broker.results import Inspected
    from shoal.settings.task import TaskSettings
    from shoal.task_definition import TaskDefinition


def view_task(
    inspected: Inspected, settings: TaskSettings, definition: TaskDefinition | None = None
) -> Task:
    """The task as the API and ``TaskHandle.task`` show it.

    Args:
        inspected: What the broker read, at one instant.
        settings: What holds for a task that says nothing else.
        definition: Of its type, where the process knows it.
    """
    fields = inspected.fields
    spec = _spec(fields)
    queue, priority = _place(fields.get("entry", b"").decode())
    history = attempts_of(parse_history(fields.get("history", b"")))
    ran = [attempt for attempt in history if attempt.started_at is not None]
    state = State(inspected.state)
    timeout_s = spec.timeout_s or (definition.timeout_s if definition is not None else None)
    stamped_ms = _started_ms(fields.get("started"))
    started_at = from_unix_ms(stamped_ms) if state is State.RUNNING else None
    return Task(
        id=inspected.id,
        type=fields.get("type", b"").decode(),
        state=state,
        created_at=created_at(inspected.id),
        queue=queue,
        priority=priority,
        payload=_value(spec.payload),
        retry_policy=effective_retry(spec, settings, definition),
        timeout=timeout_s or settings.default_timeout_s,
        scheduled_at=from_unix_ms(spec.scheduled_ms or 0),
        started_at=started_at or (ran[-1].started_at if ran else None),
        completed_at=_completed_at(state, fields, ran),
        result=_value(fields.get("result")),
        error=_value(fields.get("error")),
        attempts=count_attempts(fields.get("history")),
        worker_id=inspected.worker or (history[-1].worker_id if history else None),
        metadata=dict(spec.metadata or {}),
        history=history,
        progress=parse_progress(fields["progress"]) if "progress" in fields else None,
        log=parse_log(fields["log"]) if "log" in fields else (),
        depends_on=depends_on(fields),
        waiting_for=_ids(fields.get("waiting", b"")),
        reason=fields["reason"].decode() if "reason" in fields else None,
    )


def depends_on(fields: Mapping[str, bytes]) -> tuple[str, ...]:
    """The ids of the tasks that one depends on."""
    return _ids(fields.get("parents", b""))


def _ids(packed: bytes) -> tuple[str, ...]:
    """Task ids that stand together without separators."""
    text = packed.decode()
    return tuple(text[at : at + 36] for at in range(0, len(text), 36))


def _completed_at(
    state: State, fields: Mapping[str, bytes], ran: Sequence[Attempt]
) -> datetime | None:
    """When it ended. For COMPLETED the last attempt says it; nothing more is stored."""
    if state is not State.COMPLETED:
        return from_unix_ms(int(fields.get("ended", b"0")))
    last = ran[-1] if ran else None
    if last is None or last.started_at is None:
        return None
    return last.started_at + timedelta(seconds=last.duration or 0.0)


def effective_retry(
    spec: Spec, settings: TaskSettings, definition: TaskDefinition | None
) -> RetryPolicy:
    """The policy that holds: the task's own, else its type's, else the standard one."""
    if spec.retry is not None:
        return spec.retry
    if definition is not None and definition.retry is not None:
        return definition.retry
    return RetryPolicy(max_retries=settings.max_retries)


def created_at(task_id: str) -> Any:
    """When the id was made: its first 48 bits are Unix ms."""
    return from_unix_ms(int(task_id[:8] + task_id[9:13], 16))


def _spec(fields: Mapping[str, bytes]) -> Spec:
    try:
        return decode_spec(fields.get("spec", b"{}\nnull"))
    except ValueError:  # written by a later release, or damaged: show what is left
        return Spec(b"null")


def _place(entry: str) -> tuple[str, Priority]:
    """Queue and priority of ``<queue>:<priority>[:isolated][/<entry id>]``."""
    queue, _, rest = entry.partition("/")[0].partition(":")
    number = rest.partition(":")[0]
    return queue or "default", Priority(int(number)) if number.isdigit() else Priority.NORMAL


def _started_ms(stamp: bytes | None) -> int:
    """The time in a ``started`` stamp, which also names the token; 0 when there is none."""
    digits = (stamp or b"").rpartition(b" ")[2]
    return int(digits) if digits.isdigit() else 0


def _value(raw: bytes | None) -> Any:
    if not raw:
        return None
    try:
        return decode_json(raw)
    except InvalidPayload:
        return None
