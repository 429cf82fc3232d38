"""Bodies of requests: their fields, and how they become what the broker takes.

A body is decoded once into a Struct that refuses unknown fields; the payload stays the bytes that
came, is decoded once more to be checked, and is stored verbatim.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import msgspec
from msgspec import Raw, Struct

from shoal.api.problems import Problem, problem_of
from shoal.codec import check_payload, too_large
from shoal.config import Settings
from shoal.errors import InvalidPayload, InvalidTask
from shoal.graph_submitter import Member
from shoal.model.duration import parse_duration
from shoal.model.graph import PREFIX
from shoal.model.retry import RetryPolicy
from shoal.submission import Plan, SubmitOptions, TypeDefaults, make_plan

if TYPE_CHECKING:
    from shoal.task_definition import TaskDefinition

StructT = TypeVar("StructT", bound=Struct)
Duration = str | int | float

#: The most tasks of one batch.
MAX_BATCH = 1000
#: How many plans of plain tasks are kept; when there are more, all are forgotten.
_MAX_PLANS = 4096
_STANDARD = TypeDefaults()
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>.*)`)?", re.DOTALL)


class RetryPolicyBody(Struct, forbid_unknown_fields=True):
    """How failures are retried; what is left out comes from the task type, else the server."""

    max_retries: int | None = None
    strategy: str | None = None
    initial_backoff: Duration | None = None
    max_backoff: Duration | None = None
    backoff_factor: int | float | None = None
    jitter: bool | None = None


class TaskBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """One task to be submitted. ``null`` is the same as leaving a field out."""

    type: str
    payload: Raw
    priority: str | int | None = None
    retry_policy: RetryPolicyBody | None = None
    timeout: Duration | None = None
    scheduled_at: str | None = None
    delay: Duration | None = None
    queue: str | None = None
    unique_key: str | None = None
    metadata: dict[str, str] | None = None
    durability: str | None = None
    depends_on: list[str] | None = None
    on_dependency_failure: str | None = None
    retention: Duration | None = None


class BatchTaskBody(TaskBody, forbid_unknown_fields=True, kw_only=True):
    """One task of a batch."""

    #: What others of the batch may call it in ``depends_on``, as ``ref:NAME``.
    ref: str | None = None


class BatchBody(Struct, forbid_unknown_fields=True):
    """Up to 1,000 tasks; each is read by itself, so that one that is wrong refuses no other."""

    tasks: list[Raw]


_REF = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PLAIN_TEXTS = ("type", "priority", "queue", "timeout", "delay", "scheduled_at")
_OTHER_TEXTS = ("unique_key", "durability")


class TaskReader:
    """Reads bodies.

    Args:
        settings: Limits, and what holds for a task that says nothing.
        definitions: The task types there are; ``None`` = any well-formed name is taken.
    """

    def __init__(
        self, settings: Settings, definitions: Mapping[str, TaskDefinition] | None = None
    ) -> None:
        self._max_payload = settings.task.max_payload_bytes
        self._standard_retry = RetryPolicy(max_retries=settings.task.max_retries)
        self._max_retention_s = settings.retention.days * 86_400
        self._definitions = definitions
        self._plans: dict[tuple[str, str | None, str | int | None], Plan] = {}
        self._one = msgspec.json.Decoder(TaskBody)
        self._of_batch = msgspec.json.Decoder(BatchTaskBody)
        self._batch = msgspec.json.Decoder(BatchBody)

    def one(self, raw: bytes) -> tuple[Plan, bytes]:
        """The plan and the spec of one task.

        Raises:
            Problem: Something is wrong with it.
        """
        return self._ready(raw, _decode(self._one, raw))

    def item(self, raw: bytes) -> Member:
        """One task of a batch, with what it calls itself and which others it names."""
        task = _decode(self._of_batch, raw)
        if task.ref is not None and not _REF.fullmatch(task.ref):
            _refuse("ref", "must be 1 to 64 of A-Z a-z 0-9 _ . -")
        needs = tuple(name for name in task.depends_on or () if name.startswith(PREFIX))
        if needs and task.depends_on is not None:
            task.depends_on = [name for name in task.depends_on if not name.startswith(PREFIX)]
            if len(needs) > MAX_BATCH:
                _refuse("depends_on", f"at most {MAX_BATCH} tasks, not {len(needs)}")
        return Member(*self._ready(raw, task), task.ref, needs)

    def batch(self, raw: bytes) -> Sequence[bytes]:
        """The tasks of a batch, each still to be read by ``item``.

        Raises:
            Problem: The batch as a whole is wrong.
        """
        tasks = [bytes(task) for task in _decode(self._batch, raw).tasks]
        if not 0 < len(tasks) <= MAX_BATCH:
            _refuse("tasks", f"must hold 1 to {MAX_BATCH} tasks, not {len(tasks)}")
        if raw.count(b'"') != 2 + sum(task.count(b'"') for task in tasks):
            # Nothing but the one field can stand there, so it stands there twice.
            _refuse_duplicates()
        return tasks

    def _ready(self, raw: bytes, task: TaskBody) -> tuple[Plan, bytes]:
        payload = bytes(task.payload)
        if len(payload) > self._max_payload:
            raise Problem("payload_too_large", too_large(len(payload), self._max_payload))
        try:
            check_payload(payload, self._max_payload)
        except InvalidPayload as error:
            raise Problem(
                "invalid_json", f"payload: {error.errors[0]['message']}", errors=error.errors
            ) from None
        if _may_repeat_fields(raw, task, payload) and _repeats_fields(raw):
            _refuse_duplicates()
        try:
            plan = self._plan(task)
        except InvalidTask as error:
            raise problem_of(error) from None
        return plan, plan.header + payload

    def _plan(self, task: TaskBody) -> Plan:
        is_plain = (
            task.delay is None
            and task.scheduled_at is None
            and task.timeout is None
            and task.retry_policy is None
            and task.unique_key is None
            and not task.metadata
            and task.depends_on is None
            and task.on_dependency_failure is None
            and task.retention is None
        )
        key = (task.type, task.queue, task.priority)
        if is_plain and (plan := self._plans.get(key)) is not None:
            self._check_supported(task)
            return plan
        self._check_supported(task)
        defaults = self._defaults(task.type)
        options: SubmitOptions = {"priority": task.priority, "queue": task.queue}
        if not is_plain:
            options |= {
                "delay": task.delay,
                "scheduled_at": task.scheduled_at,
                "timeout": task.timeout,
                "unique_key": task.unique_key,
                "metadata": task.metadata,
                "depends_on": task.depends_on,
                "on_dependency_failure": cast("Any", task.on_dependency_failure),
                "retention": task.retention,
            }
            if task.retry_policy is not None:
                base = defaults.retry or self._standard_retry
                options["retry"] = _retry_policy(task.retry_policy, base)
        plan = make_plan(task.type, options, time.time(), defaults, self._max_retention_s)
        if is_plain:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _defaults(self, type: str) -> TypeDefaults:
        if self._definitions is None:
            return _STANDARD
        definition = self._definitions.get(type)
        if definition is None:
            raise Problem(
                "unknown_type",
                f"There is no task type {type!r:.140}.",
                errors=[{"path": "type", "message": "no handler is registered for it"}],
            )
        return definition.defaults

    @staticmethod
    def _check_supported(task: TaskBody) -> None:
        if task.durability not in (None, "aof", "fsync", "replica"):
            _refuse("durability", "must be aof, fsync or replica")
        if task.durability not in (None, "aof"):
            _not_yet("durability")


def _decode(decoder: msgspec.json.Decoder[StructT], raw: bytes) -> StructT:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        what, path = (match["what"], match["path"] or "") if match else (str(error), "")
        _refuse(path, what)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem("invalid_json", str(error)) from None
    except RecursionError:
        raise Problem("invalid_json", "It is nested too deep.") from None


def _refuse(path: str, message: str) -> NoReturn:
    raise Problem(
        "invalid_task",
        f"{path}: {message}" if path else message,
        errors=[{"path": path, "message": message}],
    )


def _not_yet(name: str) -> NoReturn:
    raise Problem(
        "not_supported_yet",
        f"Leave {name} out.",
        errors=[{"path": name, "message": "is not supported yet"}],
    )


def _refuse_duplicates() -> NoReturn:
    raise Problem("invalid_json", "A field stands there twice.")


def _retry_policy(body: RetryPolicyBody, base: RetryPolicy) -> RetryPolicy:
    given = {name: getattr(body, name) for name in body.__struct_fields__}
    fields = {
        name: getattr(base, name) if value is None else value for name, value in given.items()
    }
    for name in ("initial_backoff", "max_backoff"):
        try:
            fields[name] = parse_duration(fields[name])
        except ValueError as error:
            raise InvalidTask(f"retry_policy.{name}: {error}") from None
    if body.max_backoff is None:
        # The default cap is no reason to refuse a longer first pause.
        fields["max_backoff"] = max(fields["max_backoff"], fields["initial_backoff"])
    try:
        return RetryPolicy(**fields)
    except (ValueError, TypeError) as error:
        raise InvalidTask(f"retry_policy: {error}") from None


def _may_repeat_fields(raw: bytes, task: TaskBody, payload: bytes) -> bool:
    """Whether a field may stand there twice; the last would win without a word.

    The quotes around the payload are counted: each field has two, each text two more. There are
    more of them when a field is repeated, and when a text holds an escaped one.
    """
    if task.retry_policy is not None or task.metadata is not None:
        return True
    if task.depends_on is not None or task.on_dependency_failure is not None:
        return True
    if task.retention is not None or getattr(task, "ref", None) is not None:
        return True
    expected = 2
    for name in _PLAIN_TEXTS + _OTHER_TEXTS:
        value = getattr(task, name)
        if value is not None:
            expected += 4 if isinstance(value, str) else 2
    return raw.count(b'"') - payload.count(b'"') != expected


class _Repeated:
    """Stands for an object in which a field stands twice."""


_REPEATED = _Repeated()


def _repeats_fields(raw: bytes) -> bool:
    """Whether a field of the body, of its retry policy or metadata stands there twice."""
    found = json.loads(raw, object_pairs_hook=_note_repeated)
    return found is _REPEATED


def _note_repeated(pairs: list[tuple[str, Any]]) -> Any:
    # The hook sees inner objects first; what a payload repeats is the payload's own business.
    if len(pairs) != len({name for name, _ in pairs}):
        return _REPEATED
    if any(value is _REPEATED and name in ("retry_policy", "metadata") for name, value in pairs):
        return _REPEATED
    return None
