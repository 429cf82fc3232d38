"""A task type: its name, its handler, and what holds for its tasks unless a submitter says more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack

from shoal.codec import converter_for
from shoal.errors import InvalidTask
from shoal.model.identity import check_queue, check_type
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy
from shoal.payload_types import function_behind
from shoal.submission import (
    DEFAULT_QUEUE,
    SubmitOptions,
    TypeDefaults,
    check_retention,
    check_timeout,
)

if TYPE_CHECKING:
    import typing_extensions

    from shoal.app import Shoal
    from shoal.context import TaskContext
    from shoal.handle import TaskHandle

    #: With a default, so that ``TaskDefinition`` alone means one of any payload.
    PayloadT = typing_extensions.TypeVar("PayloadT", default=Any)
else:
    PayloadT = TypeVar("PayloadT")

#: On the event loop; in a thread; in a process of its own.
Kind = Literal["async", "thread", "process"]
#: One exception class, or several.
Exceptions = type[BaseException] | Sequence[type[BaseException]]


class TaskDefinition(Generic[PayloadT]):
    """A registered handler. Called, it is the plain function; ``submit`` submits a task."""

    __slots__ = (
        "__weakref__",
        "_app",
        "convert",
        "defaults",
        "give_up_on",
        "handler",
        "kind",
        "name",
        "retry_on",
        "timeout_s",
    )

    def __init__(
        self,
        app: Shoal,
        name: str,
        handler: Callable[[TaskContext, PayloadT], Any],
        kind: Kind,
        convert: Callable[[bytes], Any],
        defaults: TypeDefaults,
        timeout_s: float | None,
        *,
        retry_on: tuple[type[BaseException], ...] | None = None,
        give_up_on: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._app = app
        #: The task type.
        self.name = name
        self.handler = handler
        self.kind = kind
        #: From a payload's JSON to what the handler takes; raises ``InvalidPayload``.
        self.convert = convert
        self.defaults = defaults
        #: How long one attempt may take, in seconds; ``None`` = DEFAULT_TASK_TIMEOUT.
        self.timeout_s = timeout_s
        #: Only these exceptions are retried; ``None`` = all are.
        self.retry_on = retry_on
        #: These are not.
        self.give_up_on = give_up_on

    @property
    def queue(self) -> str:
        """Where its tasks go by default."""
        return self.defaults.queue

    @property
    def priority(self) -> Priority:
        """Of its tasks by default."""
        return self.defaults.priority

    @property
    def retry(self) -> RetryPolicy | None:
        """Of its tasks by default; ``None`` = the standard one with MAX_RETRIES."""
        return self.defaults.retry

    async def submit(self, payload: PayloadT, **options: Unpack[SubmitOptions]) -> TaskHandle:
        """Submit one task of this type; see ``Shoal.submit``."""
        return await self._app.submit(self.name, payload, **options)

    def __call__(self, ctx: TaskContext, payload: PayloadT) -> Any:
        """Run the handler here and now, as the plain function it is."""
        return self.handler(ctx, payload)

    def __repr__(self) -> str:
        return f"TaskDefinition({self.name!r}, {self.kind})"


def define(
    app: Shoal,
    name: str,
    handler: Callable[[TaskContext, PayloadT], Any],
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
    local_names: Mapping[str, Any] | None = None,
) -> TaskDefinition[PayloadT]:
    """Check a handler and what is said about it.

    Raises:
        InvalidTask: Its name, signature, annotation or an option is wrong.
    """
    label = f"task {name!r}"
    try:
        check_type(name)
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise ValueError("retry must be a RetryPolicy")  # noqa: TRY301 - all in one place
        if max_retries is not None:
            retry = _with_max_retries(retry, max_retries)
        defaults = TypeDefaults(
            check_queue(DEFAULT_QUEUE if queue is None else queue),
            Priority.NORMAL if priority is None else Priority.parse(priority),
            retry,
            check_retention(retention),
        )
        timeout_s = check_timeout(timeout)
        only = None if retry_on is None else _exceptions("retry_on", retry_on)
        never = _exceptions("give_up_on", give_up_on)
        _check_signature(handler)
        convert = converter_for(handler, local_names)
    except (ValueError, TypeError) as error:
        raise InvalidTask(f"{label}: {error}") from None
    kind: Kind = "process" if process else "async" if _is_async(handler) else "thread"
    return TaskDefinition(
        app, name, handler, kind, convert, defaults, timeout_s, retry_on=only, give_up_on=never
    )


def _exceptions(what: str, given: Exceptions) -> tuple[type[BaseException], ...]:
    classes = given if isinstance(given, tuple | list) else (given,)
    for one in classes:
        if not isinstance(one, type) or not issubclass(one, BaseException):
            raise TypeError(
                f"{what} must be an exception class or a tuple of them, not {one!r:.80}"
            )
    return tuple(classes)


def _with_max_retries(retry: RetryPolicy | None, max_retries: int) -> RetryPolicy:
    base = retry or RetryPolicy()
    return RetryPolicy(
        max_retries,
        base.strategy,
        base.initial_backoff,
        base.max_backoff,
        base.backoff_factor,
        base.jitter,
    )


def _check_signature(handler: object) -> None:
    expected = "a handler is `async def name(ctx, payload)` or `def name(ctx, payload)`"
    if not callable(handler):
        raise TypeError(expected)
    plain = function_behind(handler)
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise TypeError(f"{expected}; this one is a generator")
    try:
        inspect.signature(handler).bind("ctx", "payload")
    except TypeError:
        raise TypeError(f"{expected}; this one takes {inspect.signature(handler)}") from None


def _is_async(handler: object) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        function_behind(handler)
    )
