"""A copy of a task: what it is submitted with."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from shoal.codec import decode_spec, encode_spec
from shoal.errors import BrokerError, InvalidTask
from shoal.model.identity import parse_task_id
from shoal.submission import Plan

if TYPE_CHECKING:
    from shoal.broker.results import Inspected


class _Same(Enum):
    SAME = "same"


#: In the place of a payload: that of the task.
SAME: Final = _Same.SAME


def plan_of_copy(task: Inspected, new_id: str | None = None) -> tuple[Plan, bytes]:
    """How to submit a copy of a task, and its payload's JSON.

    Neither its unique key, which the task may still hold, nor its time go over to the copy.

    Raises:
        InvalidTask: ``new_id`` is no task id, or the task was not kept (its retention is 0).
        BrokerError: What is stored of the task can't be read.
    """
    raw = task.fields.get("spec")
    if not raw:
        raise InvalidTask(f"task {task.id} has no payload any more, so it can't be copied")
    try:
        spec = decode_spec(raw)
        own_id = None if new_id is None else parse_task_id(new_id)
    except ValueError as error:
        known = BrokerError if new_id is None else InvalidTask
        raise known(str(error)) from None
    stream = task.fields.get("entry", b"").decode().partition("/")[0]
    queue, priority = stream.split(":")[:2]
    header = encode_spec(b"", retry=spec.retry, timeout_s=spec.timeout_s, metadata=spec.metadata)
    plan = Plan(
        type=task.fields["type"].decode(),
        queue=queue,
        priority=int(priority),
        due_s=None,
        delay_s=None,
        header=header,
        unique_key=None,
        task_id=own_id,
    )
    return plan, spec.payload
