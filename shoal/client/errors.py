"""What the API refuses, as exceptions: those of ``shoal.errors`` where one fits, else those from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shoal import errors
from shoal.errors import ExitStatus, ShoalError


class ApiProblem(ShoalError):
    """The API refused the request.

    ``status`` is that of HTTP, ``code`` the stable word of docs/http.md, empty where what answered was no
    Shoal; ``problem`` is the whole document, ``retry_after_s`` when to come again in seconds, if that was said.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int = 0,
        code: str = "",
        problem: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.problem = problem or {}
        self.retry_after_s = retry_after_s


class NotAuthenticated(ApiProblem):
    """The API knows no such key or token, or it has expired."""

    exit_status = ExitStatus.CONFIGURATION


class NotAllowed(ApiProblem):
    """This key or token does not allow that."""

    exit_status = ExitStatus.CONFIGURATION


class NotFound(ApiProblem):
    """There is nothing there: no such worker or operation, or no such address."""


class Conflict(ApiProblem):
    """The id or key stands for something else already."""


class InvalidRequest(ApiProblem):
    """The API does not take this request as it is; ``problem["errors"]`` may name the fields."""

    exit_status = ExitStatus.INVALID_TASK


class RateLimited(ApiProblem):
    """Too much in too short a time, also after the retries. Nothing was done."""

    exit_status = ExitStatus.TRY_AGAIN


class ApiBusy(ApiProblem):
    """The API has too much to do, also after the retries. Nothing was done."""

    exit_status = ExitStatus.TRY_AGAIN


class ApiFailed(ApiProblem):
    """Something went wrong in the API or before it; its log says more."""


class ApiUnreachable(ShoalError):
    """The API can't be reached or did not answer in time, also after the retries.

    ``outcome_unknown``: the request was sent, and may have been carried out. A submission is safely repeated
    with ``idempotency_key``, the key that it had.
    """

    exit_status = ExitStatus.TRY_AGAIN
    remedy = "Check the URL, and that `shoal api` or `shoal up` is running."

    def __init__(
        self, message: str = "", *, outcome_unknown: bool = False, idempotency_key: str = ""
    ) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown
        self.idempotency_key = idempotency_key


_BY_STATUS: Mapping[int, type[ApiProblem]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    503: ApiBusy,
}
_SIMPLE: Mapping[str, type[ShoalError]] = {
    "task_not_found": errors.TaskNotFound,
    "invalid_id": errors.InvalidTask,
    "invalid_task": errors.InvalidTask,
    "unknown_type": errors.UnknownTaskType,
    "too_many_types": errors.TooManyTypes,
    "too_many_queues": errors.TooManyQueues,
    "schedule_not_found": errors.ScheduleNotFound,
    "invalid_schedule": errors.InvalidSchedule,
    "invalid_operation": errors.InvalidOperation,
    "partition_paused": errors.PartitionPaused,
    "unknown_dependency": errors.UnknownDependency,
    "payload_too_large": errors.InvalidPayload,
    "broker_error": errors.BrokerError,
}
_Make = Callable[[str, Mapping[str, Any]], ShoalError]
_MADE: Mapping[str, _Make] = {
    "task_not_cancellable": lambda text, problem: errors.TaskNotCancellable(
        text, state=str(problem.get("state", ""))
    ),
    "task_not_requeueable": lambda text, problem: errors.TaskNotRequeueable(
        text, state=str(problem.get("state", ""))
    ),
    "queue_full": lambda text, problem: errors.QueueFull(text, retry_after_s=_after(problem)),
    "memory_full": lambda text, problem: errors.MemoryFull(text, retry_after_s=_after(problem)),
    "broker_unavailable": lambda text, _problem: errors.BrokerUnavailable(text),
    "outcome_unknown": lambda text, problem: errors.BrokerUnavailable(
        text, outcome_unknown=True, ids=[str(task_id) for task_id in problem.get("ids", ())]
    ),
    "undecryptable": lambda text, _problem: errors.CannotDecrypt(why=text),
}


def error_of(
    status: int, problem: Mapping[str, Any] | None, retry_after_s: float | None
) -> ShoalError:
    """The exception for what the API answered.

    Args:
        status: Of HTTP.
        problem: Its document; ``None`` = what came is no problem of Shoal.
        retry_after_s: What ``Retry-After`` said, in seconds.
    """
    if problem is None:
        where = "the API" if status < 500 else "the API, or a proxy before it,"
        kind = ApiFailed if status >= 500 else _BY_STATUS.get(status, InvalidRequest)
        text = f"{where} answered {status} without a reason"
        if 300 <= status < 400:
            text = f"the address answered {status}: use the URL that it leads to"
        return kind(text, status=status, retry_after_s=retry_after_s)
    code = str(problem.get("code", ""))
    text = str(problem.get("detail") or problem.get("title") or code)
    if make := _MADE.get(code):
        return make(text, problem)
    if simple := _SIMPLE.get(code):
        return simple(text)
    kind = _BY_STATUS.get(status, ApiFailed if status >= 500 else InvalidRequest)
    if code == "idempotency_conflict":
        kind = Conflict
    return kind(text, status=status, code=code, problem=problem, retry_after_s=retry_after_s)


def _after(problem: Mapping[str, Any]) -> float:
    value = problem.get("retry_after")
    return float(value) if isinstance(value, int | float) else 1.0
