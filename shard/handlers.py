"""The handlers of an application, in the form that running a task needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shoal.model.retry import RetryPolicy

if TYPE_CHECKING:
    from shoal.app import TaskDefinition
    from shoal.config import TaskSettings


class Handler:
    """One task type: what runs it, and what holds when a task says nothing else."""

    __slots__ = ("convert", "function", "in_thread", "name", "retry", "timeout_s")

    def __init__(
        self,
        name: str,
        function: Callable[[Any, Any], Any],
        convert: Callable[[bytes], Any],
        *,
        in_thread: bool,
        timeout_s: float,
        retry: RetryPolicy,
    ) -> None:
        self.name = name
        self.function = function
        self.convert = convert
        self.in_thread = in_thread
        self.timeout_s = timeout_s
        self.retry = retry


def handler_table(
    tasks: Mapping[str, TaskDefinition], settings: TaskSettings
) -> dict[bytes, Handler]:
    """The handlers by type, keyed as claims bring the type."""
    default_retry = RetryPolicy(max_retries=settings.max_retries)
    return {
        name.encode(): Handler(
            name,
            task.handler,
            task.convert,
            in_thread=task.kind != "async",
            timeout_s=task.timeout_s or settings.default_timeout_s,
            retry=task.retry or default_retry,
        )
        for name, task in tasks.items()
    }
