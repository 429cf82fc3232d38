"""What goes wrong, as RFC 9457 problem documents: one table from errors to HTTP.

Every problem has a stable ``type`` (``urn:shoal:problem:<code>``) and the same word as ``code``;
``docs/http.md`` lists them. ``detail`` says what to do; other members are named there too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from shoal import errors
from shoal.api.responses import respond

CONTENT_TYPE = "application/problem+json"
_PREFIX = "urn:shoal:problem:"
#: When to come again after something that passes by itself, in seconds.
_SOON_S = 1.0
_PAUSED_S = 5.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status and what it is called."""

    status: int
    title: str


#: Code → kind. A code never changes its meaning.
KINDS: Mapping[str, Kind] = {
    "bad_request": Kind(400, "The request is malformed"),
    "invalid_json": Kind(400, "The body is no JSON that Shoal takes"),
    "invalid_id": Kind(400, "This is no task id"),
    "invalid_parameter": Kind(400, "A query parameter or header is wrong"),
    "unauthorized": Kind(401, "A valid API key or token is needed"),
    "forbidden": Kind(403, "This key or token does not allow that"),
    "not_found": Kind(404, "There is nothing at this address"),
    "task_not_found": Kind(404, "No task has this id"),
    "worker_not_found": Kind(404, "No worker has this id"),
    "schedule_not_found": Kind(404, "No schedule has this id"),
    "operation_not_found": Kind(404, "No operation has this id"),
    "method_not_allowed": Kind(405, "This address does not take that method"),
    "request_timeout": Kind(408, "The body did not arrive in time"),
    "task_not_cancellable": Kind(409, "The task has ended already"),
    "task_not_requeueable": Kind(409, "The task cannot be requeued in its state"),
    "worker_shutting_down": Kind(409, "The worker was told to shut down"),
    "undecryptable": Kind(409, "What is stored was encrypted with another key"),
    "schedule_exists": Kind(409, "Another schedule has this id"),
    "operation_conflict": Kind(409, "Another operation has this id"),
    "body_too_large": Kind(413, "The body is too large"),
    "payload_too_large": Kind(413, "The payload is too large"),
    "unsupported_media_type": Kind(415, "The body must be JSON"),
    "expectation_failed": Kind(417, "This expectation cannot be met"),
    "invalid_task": Kind(422, "The task is not valid"),
    "invalid_body": Kind(422, "A field of the body is wrong"),
    "invalid_operation": Kind(422, "The operation contradicts itself"),
    "invalid_schedule": Kind(422, "The schedule is not valid"),
    "confirmation_needed": Kind(422, "This can't be taken back, and must be confirmed"),
    "unknown_type": Kind(422, "No handler is registered for this task type"),
    "unknown_dependency": Kind(422, "A task that it depends on is not known"),
    "not_supported_yet": Kind(422, "This field is not supported yet"),
    "too_many_types": Kind(422, "There are as many task types as SHOAL_MAX_TYPES allows"),
    "too_many_queues": Kind(422, "There are as many queues as SHOAL_MAX_QUEUES allows"),
    "invalid_settings": Kind(422, "The settings that were read are wrong"),
    "idempotency_conflict": Kind(422, "This Idempotency-Key was used with another request"),
    "rate_limited": Kind(429, "Too much in too short a time"),
    "internal_error": Kind(500, "Something went wrong inside Shoal"),
    "broker_error": Kind(502, "Redis refused the request"),
    "busy": Kind(503, "Too many requests are in progress"),
    "queue_full": Kind(503, "The queue is full"),
    "memory_full": Kind(503, "Redis has reached its memory limit"),
    "partition_paused": Kind(503, "A part of the queue is paused for maintenance"),
    "broker_unavailable": Kind(503, "Redis cannot be reached"),
    "outcome_unknown": Kind(503, "Redis did not answer: it is not known whether this was done"),
}


class Problem(Exception):
    """Ends a request with a problem document.

    Args:
        code: One of ``KINDS``.
        detail: What is wrong this time, and what to do; for people.
        retry_after_s: When to come again, in seconds; ``None`` = not said.
        headers: More headers.
        more: More members of the document.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.kind = KINDS[code]
        # A path or header may hold bytes that are no UTF-8; a document may not.
        self.detail = detail if detail.isascii() else detail.encode("utf-8", "replace").decode()
        self.retry_after_s = retry_after_s
        self.headers = headers or {}
        self.more = more

    def document(self) -> dict[str, Any]:
        """The members of the document."""
        document: dict[str, Any] = {
            "type": _PREFIX + self.code,
            "title": self.kind.title,
            "status": self.kind.status,
            "code": self.code,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.retry_after_s is not None:
            document["retry_after"] = math.ceil(self.retry_after_s)
        return document | self.more

    def encode(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document())

    def response(self) -> web.Response:
        """The response that carries it."""
        headers = dict(self.headers)
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(math.ceil(self.retry_after_s))
        return respond(self.encode(), self.kind.status, headers, content_type=CONTENT_TYPE)


def _unavailable(error: errors.BrokerUnavailable) -> Problem:
    if error.outcome_unknown and error.ids:
        return Problem(
            "outcome_unknown",
            "The tasks may have been accepted or not. Look their ids up, or repeat the request "
            "with the Idempotency-Key it had; without one, a repetition may run the work twice.",
            retry_after_s=_SOON_S,
            ids=list(error.ids),
        )
    detail = "It is tried again all the time; nothing was accepted. Come again in a moment."
    if error.outcome_unknown:
        detail = "It did not answer in time. Repeating this request is safe."
    return Problem("broker_unavailable", detail, retry_after_s=_SOON_S)


def _full(code: str) -> Callable[[Any], Problem]:
    def problem(error: errors.QueueFull) -> Problem:
        return Problem(code, str(error), retry_after_s=max(error.retry_after_s, 1.0))

    return problem


def _simple(code: str, *fields: str) -> Callable[[Any], Problem]:
    def problem(error: errors.ShoalError) -> Problem:
        return Problem(code, str(error), **{name: getattr(error, name) for name in fields})

    return problem


#: The first that fits; subclasses stand before their bases.
_TABLE: tuple[tuple[type[errors.ShoalError], Callable[[Any], Problem]], ...] = (
    (errors.BrokerUnavailable, _unavailable),
    (
        errors.PartitionPaused,
        lambda error: Problem("partition_paused", str(error), retry_after_s=_PAUSED_S),
    ),
    (errors.MemoryFull, _full("memory_full")),
    (errors.QueueFull, _full("queue_full")),
    (errors.TooManyTypes, _simple("too_many_types")),
    (errors.TooManyQueues, _simple("too_many_queues")),
    (errors.UnknownTaskType, _simple("unknown_type")),
    (
        errors.UnknownDependency,
        lambda error: Problem(
            "unknown_dependency",
            str(error),
            errors=[{"path": "depends_on", "message": str(error).removeprefix("depends_on: ")}],
        ),
    ),
    (errors.InvalidPayload, _simple("invalid_task", "errors")),
    (errors.InvalidTask, _simple("invalid_task")),
    (errors.TaskNotFound, _simple("task_not_found")),
    (errors.ScheduleNotFound, _simple("schedule_not_found")),
    (errors.InvalidSchedule, _simple("invalid_schedule")),
    (errors.InvalidOperation, _simple("invalid_operation")),
    (errors.TaskNotCancellable, _simple("task_not_cancellable", "state")),
    (errors.TaskNotRequeueable, _simple("task_not_requeueable", "state")),
    (errors.CannotDecrypt, _simple("undecryptable")),
    (errors.BrokerError, lambda _error: Problem("broker_error", "The log says more.")),
)

_BY_STATUS = {
    400: "bad_request",
    404: "not_found",
    413: "body_too_large",
    417: "expectation_failed",
}


def problem_of(error: Exception) -> Problem:
    """The problem that an error is to a client; ``internal_error`` for what no client can mend."""
    if isinstance(error, Problem):
        return error
    for kind, make in _TABLE:
        if isinstance(error, kind):
            return make(error)
    return Problem("internal_error", "It is in the log.")


def problem_of_http(error: web.HTTPException) -> Problem:
    """The problem for what aiohttp itself refuses."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Problem("method_not_allowed", f"It takes {allowed}.", headers={"Allow": allowed})
    code = _BY_STATUS.get(error.status, "internal_error" if error.status >= 500 else "bad_request")
    return Problem(code)
