"""The application: where handlers are registered and tasks are submitted from."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Unpack

from shoal.codec import encode_payload, too_large
from shoal.config import Settings
from shoal.connecting import Connection, Connector
from shoal.duplicate import SAME, plan_of_copy
from shoal.errors import InvalidPayload, InvalidSchedule, InvalidTask
from shoal.handle import Results, TaskHandle
from shoal.model.cron import Missed
from shoal.model.identity import parse_task_id
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy
from shoal.model.schedule import ScheduleRecord
from shoal.round_trips import MAX_TASKS_PER_FLUSH
from shoal.schedules import MAX_STORED_PAYLOAD_BYTES, Declared, Schedules
from shoal.sealed import opened, payload_of
from shoal.submission import Plan, SubmitOptions, TypeDefaults, make_plan
from shoal.task_definition import Exceptions, TaskDefinition, define
from shoal.task_view import view_task
from shoal.vault import Vault

if TYPE_CHECKING:
    from shoal.batch import Batch
    from shoal.broker.broker import Broker
    from shoal.broker.results import Inspected
    from shoal.context import TaskContext
    from shoal.model.task import Task

__all__ = ["Shoal", "TaskDefinition", "TaskHandle"]

PayloadT = TypeVar("PayloadT")
_STANDARD = TypeDefaults()


class Register(Protocol):
    """What ``Shoal.task`` returns: it makes a definition of a handler."""

    def __call__(
        self, handler: Callable[[TaskContext, PayloadT], Any], /
    ) -> TaskDefinition[PayloadT]:
        """Register it."""


class Shoal:
    """A set of task types and the way to Redis.

    Nothing is connected before it is needed, so that a module may make one when it is imported.
    ``async with app:`` (or ``aclose``) closes what was opened. One ``Shoal`` serves one event
    loop at a time; inside handlers it uses the worker's connection.

    Args:
        settings: ``None`` reads the environment and ``shoal.toml`` when they are first needed.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._tasks: dict[str, TaskDefinition] = {}
        self._schedules: dict[str, ScheduleRecord] = {}
        self._connector = Connector()

    @property
    def tasks(self) -> Mapping[str, TaskDefinition]:
        """The registered task types by name; read-only."""
        return MappingProxyType(self._tasks)

    @property
    def settings(self) -> Settings:
        """The settings in use.

        Raises:
            ConfigurationError: The environment or ``shoal.toml`` is wrong.
        """
        if self._settings is None:
            self._settings = Settings.from_environment()
        return self._settings

    def task(
        self,
        name: str,
        *,
        timeout: str | float | timedelta | None = None,
        max_retries: int | None = None,
        retry: RetryPolicy | None = None,
        queue: str | None = None,
        priority: Priority | str | int | None = None,
        process: bool = False,
        retry_on: Exceptions | None = None,
        give_up_on: Exceptions = (),
        retention: str | float | timedelta | None = None,
    ) -> Register:
        """Register the handler of a task type: ``async def`` or ``def``, with (ctx, payload).

        The payload is checked against the annotation of its parameter before the handler runs.
        A ``def`` handler runs in a thread, with ``process=True`` in a process of its own.

        Args:
            name: The task type, such as ``email.send``.
            timeout: How long one attempt may take: seconds or ``"30s"``; default
                DEFAULT_TASK_TIMEOUT.
            max_retries: Retries after the first attempt; default MAX_RETRIES.
            retry: The whole retry policy; ``max_retries`` then changes only that in it.
            queue: Where its tasks go unless the submitter says otherwise; default ``default``.
            priority: Likewise; default NORMAL.
            process: Run it in a process that may be killed: for code that crashes, leaks, holds the
                interpreter's lock or cannot be interrupted. See docs/handlers.md.
            retry_on: Only these exceptions are retried, all others make the task DEAD at once;
                ``None`` = all are retried. A timeout counts as ``TimeoutError``.
            give_up_on: These are never retried, also where ``retry_on`` names a base of theirs.
            retention: How long its ended tasks are kept: seconds or ``"1h"``, at most TASK_RETENTION_DAYS,
                which is the default. Workers that know the type remove what is older; never what ended
                less than SHOAL_TOMBSTONE ago. 0: payload, result and history go at once.

        Raises:
            InvalidTask: The name is taken, or one of these or the handler is wrong.
        """
        if not isinstance(name, str):
            raise InvalidTask('give the task type a name: @app.task("email.send")')

        def register(
            handler: Callable[[TaskContext, PayloadT], Any], /
        ) -> TaskDefinition[PayloadT]:
            if name in self._tasks:
                raise InvalidTask(f"task {name!r} is registered already")
            definition = define(
                self,
                name,
                handler,
                timeout=timeout,
                max_retries=max_retries,
                retry=retry,
                queue=queue,
                priority=priority,
                process=process,
                retry_on=retry_on,
                give_up_on=give_up_on,
                retention=retention,
                # Annotations that are texts may name types of the function around the handler.
                local_names=sys._getframe(1).f_locals,  # noqa: SLF001
            )
            self._tasks[name] = definition
            return definition

        return register

    async def submit(
        self, type: str, payload: Any = None, **options: Unpack[SubmitOptions]
    ) -> TaskHandle:
        """Submit one task.

        It is stored when this returns: whatever process ends now, it will run. Repeating a
        submission is safe with its ``task_id``.

        Args:
            type: Its task type; it need not be registered in this process.
            payload: Anything JSON can hold: plain values, Structs, dataclasses, pydantic models.
            options: See ``SubmitOptions``.

        Raises:
            InvalidTask: An option is wrong; ``InvalidPayload``: the payload is no JSON;
                ``UnknownDependency``: there is no such task to depend on.
            QueueFull, TooManyTypes, TooManyQueues: A limit refused it.
            BrokerUnavailable: No answer within 3 x SHOAL_REDIS_TIMEOUT; ``outcome_unknown`` says
                whether it may have been stored, and then ``ids`` holds its id.
        """
        plan, spec = self.plan(type, payload, options)
        connection = await self.connection()
        return TaskHandle(self, await connection.submitter.one(plan, spec))

    def batch(self) -> Batch:
        """Tasks to be submitted together, which may depend on one another.

        ``batch.add(…)`` takes what ``submit`` takes and returns what others of the batch may depend on;
        ``await batch.submit()`` submits them all.
        """
        from shoal.batch import Batch

        return Batch(self)

    def plan(self, type: str, payload: Any, options: SubmitOptions) -> tuple[Plan, bytes]:
        """A checked task, ready to be submitted; raises as ``submit``."""
        plan = self._plan(type, options)
        return plan, plan.header + self._encode(payload)

    async def submit_many(
        self, type: str, payloads: Iterable[Any], **options: Unpack[SubmitOptions]
    ) -> list[TaskHandle]:
        """Submit many tasks of one type, hundreds a round trip.

        A payload that is no JSON refuses the whole call before anything is sent.

        Args:
            type: Their task type.
            payloads: One for each task.
            options: Hold for each; not ``task_id`` and ``unique_key``, which are for one task.

        Returns:
            A handle for each payload, in order.

        Raises:
            As ``submit``. When only a part was stored, the error's ``accepted`` holds the ids
            of that part and ``refused`` the places of the others.
        """
        plan = self._plan(type, options)
        if plan.task_id is not None or plan.unique_key is not None:
            raise InvalidTask("task_id and unique_key are for one task, not for submit_many")
        header = plan.header
        specs: list[bytes] = []
        for payload in payloads:
            try:
                specs.append(header + self._encode(payload))
            except InvalidPayload as error:
                raise _at_place(error, len(specs)) from None
            if len(specs) % MAX_TASKS_PER_FLUSH == 0:
                await asyncio.sleep(0)  # others may run while a long list is encoded
        connection = await self.connection()
        return [TaskHandle(self, i) for i in await connection.submitter.many(plan, specs)]

    def cron(
        self,
        expression: str,
        *,
        tz: str = "UTC",
        id: str | None = None,
        payload: Any = None,
        missed: Missed | str = Missed.RUN_ONCE,
        **options: Unpack[SubmitOptions],
    ) -> Callable[[TaskDefinition[PayloadT]], TaskDefinition[PayloadT]]:
        """Submit a task of this type again and again; written above ``@app.task(...)``.

        Each tick runs exactly once, however many workers there are. Workers make the schedule known
        when they start; ``shoal schedules`` shows, pauses and triggers it.

        Args:
            expression: Minute, hour, day of month, month, day of week: ``"0 9 * * 1-5"``, or
                ``@daily`` and its like.
            tz: The time zone it is meant in: ``"Europe/Berlin"``.
            id: Names the schedule; ``None`` = the task type. A second one of a type needs its own.
            payload: Of each task.
            missed: What becomes of ticks while no worker was alive: ``run_once`` (the last of them
                runs), ``skip``, or ``run_all`` (at most the last 100).
            options: Of each task, as in ``submit``; not ``delay``, ``unique_key`` and the like.

        Raises:
            InvalidSchedule: Something of it is wrong, or the id is taken.
        """

        def declare(definition: TaskDefinition[PayloadT]) -> TaskDefinition[PayloadT]:
            if not isinstance(definition, TaskDefinition):
                raise InvalidSchedule("write @app.cron(...) above @app.task(...)")
            schedule_id = definition.name if id is None else id
            if schedule_id in self._schedules:
                raise InvalidSchedule(
                    f"there is a schedule {schedule_id!r} already: give this one an id of its own"
                )
            self._schedules[schedule_id] = Declared.make(
                schedule_id,
                expression,
                definition.name,
                tz=tz,
                payload=payload,
                missed=missed,
                source="code",
                options=options,
                defaults=definition.defaults,
                max_payload_bytes=MAX_STORED_PAYLOAD_BYTES,
            ).record
            return definition

        return declare

    @property
    def declared_schedules(self) -> Mapping[str, ScheduleRecord]:
        """The schedules declared by ``cron``, by id; read-only."""
        return MappingProxyType(self._schedules)

    @property
    def schedules(self) -> Schedules:
        """All schedules of the namespace: add, list, pause, resume, remove, trigger."""
        return Schedules(self)

    async def submit_planned(self, plan: Plan, spec: bytes) -> TaskHandle:
        """Submit what was checked before; raises as ``submit``."""
        connection = await self.connection()
        return TaskHandle(self, await connection.submitter.one(plan, spec))

    async def duplicate(
        self, task_id: str, payload: Any = SAME, *, new_id: str | None = None
    ) -> TaskHandle:
        """Submit a copy of a task, whatever its state: the way to run a COMPLETED one again.

        The copy has the type, queue, priority, retry policy, timeout and metadata of the task, is
        ready at once, and has no unique key.

        Args:
            task_id: Of the task.
            payload: Another payload for the copy; left out = the same.
            new_id: The copy's id; repeating the call with it is safe. ``None`` = a new one.

        Raises:
            TaskNotFound: There is no such task, or its retention has passed.
            CannotDecrypt: Its payload was encrypted with a key that is not here.
            As ``submit``.
        """
        plan, raw = plan_of_copy(await (await self.broker()).inspect_one(task_id), new_id)
        raw = payload_of(self.vault, task_id, raw) if payload is SAME else self._encode(payload)
        return await self.submit_planned(plan, plan.header + raw)

    def handle(self, task_id: str) -> TaskHandle:
        """The handle of a task whose id is known.

        Raises:
            InvalidTask: This is no task id.
        """
        try:
            return TaskHandle(self, parse_task_id(task_id))
        except ValueError as error:
            raise InvalidTask(str(error)) from None

    def view(self, inspected: Inspected) -> Task:
        """What the broker read of a task, as people see it; what can't be decrypted here says so."""
        definition = self._tasks.get(inspected.fields.get("type", b"").decode())
        return view_task(opened(self.vault, inspected), self.settings.task, definition)

    @property
    def vault(self) -> Vault | None:
        """What encrypts and decrypts here; ``None`` = nothing is encrypted."""
        return Vault.of(self.settings)

    def attach(self, broker: Broker, settings: Settings | None = None) -> None:
        """Use this broker, which somebody else closes, in the running event loop.

        A shard calls it, so that handlers submit over the shard's own connection.
        """
        if settings is not None:
            self._settings = settings
        self._connector.attach(Connection(broker, self.settings, is_own=False))

    async def connection(self) -> Connection:
        """The broker and what works on it, connected; raises as ``broker``."""
        return await self._connector.connection(self.settings)

    async def broker(self) -> Broker:
        """The broker, connected.

        Raises:
            BrokerUnavailable: Redis cannot be reached.
            StartupError: Redis may evict keys, or cannot serve Shoal.
        """
        return (await self.connection()).broker

    async def results(self) -> Results:
        """What waits for tasks to end."""
        return (await self.connection()).results

    async def aclose(self) -> None:
        """Finish what was handed over and close what was opened. It may be used again."""
        await self._connector.aclose()

    async def __aenter__(self) -> Self:
        await self.connection()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    def _plan(self, type: str, options: SubmitOptions) -> Plan:
        definition = self._tasks.get(type)
        defaults = _STANDARD if definition is None else definition.defaults
        max_retention_s = self.settings.retention.days * 86_400
        return make_plan(type, options, time.time(), defaults, max_retention_s)

    def _encode(self, payload: Any) -> bytes:
        raw = encode_payload(payload)
        if len(raw) > self.settings.task.max_payload_bytes:
            raise InvalidPayload(too_large(len(raw), self.settings.task.max_payload_bytes))
        return raw


def _at_place(error: InvalidPayload, place: int) -> InvalidPayload:
    """The same error, said of one payload among many."""
    return InvalidPayload(
        [
            {"path": f"payloads[{place}].{item['path']}".rstrip("."), "message": item["message"]}
            for item in error.errors
        ]
    )
