"""Every error Shoal raises, under one root, divided by what the caller can do.

Errors carry fields, not only text. A class's docstring is its default message. All can be
pickled, so a handler may raise them in another process.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypedDict

from shoal.model.duration import parse_duration

if TYPE_CHECKING:
    from shoal.model.task import Task


class ExitStatus(IntEnum):
    """With what status a command ends; scripts and service managers may rely on the numbers.

    They follow sysexits.h where one of its meanings fits.
    """

    #: It did what was asked.
    OK = 0
    #: It ran, and what it checked does not hold: ``shoal verify`` found a fault, ``shoal health``
    #: something that is not well.
    VERIFY_FAILED = 1
    #: ``shoal submit --wait``: the task ended DEAD or CANCELLED.
    TASK_NOT_COMPLETED = 2
    #: No task (or schedule) has this id, or its retention has passed.
    TASK_NOT_FOUND = 3
    #: A setting or an argument is wrong.
    CONFIGURATION = 64
    #: What was submitted is no valid task: its JSON, type, queue or size.
    INVALID_TASK = 65
    #: ``MODULE:APP`` cannot be imported, or is no Shoal application.
    MODULE_NOT_FOUND = 66
    #: Redis cannot be reached, or did not answer in time.
    REDIS_UNREACHABLE = 69
    #: The supervisor gave up: its shards died too often, one after another.
    RESTART_LIMIT = 70
    #: The system refused something: a port is taken, a directory cannot be written.
    SYSTEM = 71
    #: Another live worker uses this WORKER_ID.
    WORKER_ID_TAKEN = 73
    #: Not now: a queue is full, a partition is paused, a result did not come in time.
    TRY_AGAIN = 75
    #: Redis answered with an error that no repetition would mend.
    BROKER_ERROR = 76
    #: Redis may evict keys (maxmemory-policy is not noeviction), so it could lose tasks.
    EVICTION_POLICY = 78
    #: Ended by Ctrl-C.
    INTERRUPTED = 130


class FieldError(TypedDict):
    """What is wrong with one field of a payload."""

    #: Where, like ``user.addresses[2].city``; empty for the payload as a whole.
    path: str
    message: str


class ShoalError(Exception):
    """Shoal could not do what was asked."""

    #: What a command that ends by this error exits with.
    exit_status: ExitStatus = ExitStatus.SYSTEM
    #: What to do about it, in one sentence; empty when the message says it.
    remedy: str = ""
    #: Set by ``submit_many``: the ids of the tasks that were stored although others were not.
    accepted: tuple[str, ...] = ()
    #: Set by ``submit_many``: the places (0, 1, 2 … as given) of the tasks that were not stored,
    #: or of which it is not known.
    refused: tuple[int, ...] = ()

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call the class with the message alone, and lose or refuse the fields.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(cls: type[ShoalError], args: tuple[Any, ...], fields: dict[str, Any]) -> ShoalError:
    error = cls.__new__(cls, *args)
    Exception.__init__(error, *args)
    error.__dict__.update(fields)
    return error


# --- try again -----------------------------------------------------------------------------


class BrokerUnavailable(ShoalError):
    """Redis cannot be reached or did not answer in time; try again.

    ``outcome_unknown``: the request was sent, and may have been carried out. Repeating it with
    the same ids (``ids``) is safe.
    """

    exit_status = ExitStatus.REDIS_UNREACHABLE
    remedy = "Check REDIS_URL, and that Redis is running."

    def __init__(
        self, message: str = "", *, outcome_unknown: bool = False, ids: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown
        self.ids = tuple(ids)


class PartitionPaused(ShoalError):
    """The partition is paused for maintenance; try again when it is resumed."""

    exit_status = ExitStatus.TRY_AGAIN
    remedy = "Resume it: shoal partition resume N."

    def __init__(self, message: str = "", *, partition: int | None = None) -> None:
        super().__init__(message)
        self.partition = partition


class QueueFull(ShoalError):
    """The queue is at its maximum size; try again after ``retry_after_s`` seconds."""

    exit_status = ExitStatus.TRY_AGAIN

    def __init__(self, message: str = "", *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MemoryFull(QueueFull):
    """Redis has reached its maxmemory; try again when tasks have been worked off."""


class ResultTimeout(ShoalError):
    """The task did not end within the time given; it goes on."""

    exit_status = ExitStatus.TRY_AGAIN


# --- change the request --------------------------------------------------------------------


class TooManyTypes(ShoalError):
    """This task type is new, and there are already as many types as SHOAL_MAX_TYPES allows."""

    exit_status = ExitStatus.INVALID_TASK


class TooManyQueues(ShoalError):
    """This queue is new, and there are already as many queues as SHOAL_MAX_QUEUES allows."""

    exit_status = ExitStatus.INVALID_TASK


class InvalidTask(ShoalError):
    """The task is not valid: its type, queue, priority, time or another option is wrong."""

    exit_status = ExitStatus.INVALID_TASK


class InvalidOperation(ShoalError):
    """What an operator asked for contradicts itself, or does not go with these tasks."""

    exit_status = ExitStatus.CONFIGURATION


class UnknownTaskType(InvalidTask):
    """No handler is registered for this task type."""


class UnknownDependency(InvalidTask):
    """A task that it is to depend on is not known: there is none, or its retention has passed.

    ``parent`` is its id.
    """

    def __init__(self, message: str = "", *, parent: str = "") -> None:
        super().__init__(message)
        self.parent = parent


class InvalidPayload(InvalidTask):
    """The payload is not what the task type takes, or is no JSON; ``errors`` says where."""

    def __init__(self, errors: Sequence[FieldError] | str = ()) -> None:
        self.errors: list[FieldError] = (
            [{"path": "", "message": errors}] if isinstance(errors, str) else list(errors)
        )
        super().__init__("; ".join(describe(error) for error in self.errors))


def describe(error: FieldError) -> str:
    """One line for people: ``path: message``."""
    return f"{error['path'] or 'payload'}: {error['message']}"


class TaskNotFound(ShoalError):
    """No task has this id, or its retention has passed."""

    exit_status = ExitStatus.TASK_NOT_FOUND


class ScheduleNotFound(ShoalError):
    """No schedule has this id."""

    exit_status = ExitStatus.TASK_NOT_FOUND
    remedy = "shoal schedules list shows them all."


class InvalidSchedule(ShoalError):
    """The schedule is not valid: its id, cron expression, time zone, policy or task is wrong."""

    exit_status = ExitStatus.INVALID_TASK


class TaskNotCancellable(ShoalError):
    """The task is already in a terminal state."""

    def __init__(self, message: str = "", *, state: str = "") -> None:
        super().__init__(message)
        self.state = state


class TaskNotRequeueable(ShoalError):
    """Only FAILED, DEAD and CANCELLED tasks can be requeued."""

    def __init__(self, message: str = "", *, state: str = "") -> None:
        super().__init__(message)
        self.state = state


# --- how a task ended ----------------------------------------------------------------------


class TaskFailed(ShoalError):
    """The task is DEAD: it failed and will not run again by itself. ``task`` says why."""

    exit_status = ExitStatus.TASK_NOT_COMPLETED

    def __init__(self, task: Task, message: str = "") -> None:
        super().__init__(message)
        self.task = task


class TaskCancelled(ShoalError):
    """The task was cancelled. ``task`` says why."""

    exit_status = ExitStatus.TASK_NOT_COMPLETED

    def __init__(self, task: Task, message: str = "") -> None:
        super().__init__(message)
        self.task = task


class ResultNotSerializable(ShoalError):
    """The handler returned what JSON cannot hold.

    The attempt is not repeated, since the next would return the same.
    """


class CannotDecrypt(ShoalError):
    """What is stored was encrypted with a key that is not here, or for another task.

    ``key_id`` names the key.
    """

    exit_status = ExitStatus.CONFIGURATION

    def __init__(self, key_id: str = "?", why: str = "") -> None:
        super().__init__(f"encrypted with key {key_id}, {why}" if why else "")
        self.key_id = key_id


class ProcessDied(ShoalError):
    """The process that ran the handler ended without an answer.

    What a ``process=True`` handler's task failed of; ``retry_on`` and ``give_up_on`` may name it.
    """


# --- what a handler may raise --------------------------------------------------------------


class NonRetryable(ShoalError):
    """Raised by a handler: this failure is final, whatever the retry policy says."""


class Retry(ShoalError):
    """Raised by a handler: run this task again.

    It counts as a failed attempt. ``delay`` is when: seconds or ``"5m"``; ``None`` (kept in
    ``delay_s``) leaves it to the retry policy's backoff.
    """

    def __init__(self, delay: str | float | None = None, message: str = "") -> None:
        super().__init__(message)
        self.delay_s = None if delay is None else parse_duration(delay)


# --- give up -------------------------------------------------------------------------------


class BrokerError(ShoalError):
    """Redis refused a command in a way that no repetition would mend."""

    exit_status = ExitStatus.BROKER_ERROR


class ConfigurationError(ShoalError):
    """Settings are wrong; ``problems`` names each of them, with its remedy."""

    exit_status = ExitStatus.CONFIGURATION

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class StartupError(ShoalError):
    """A process cannot start; ``message`` says why in one line, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str = "", exit_status: ExitStatus | int = 71) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.exit_status = ExitStatus(exit_status)
