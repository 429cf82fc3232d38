"""The handlers of an application, in the form that running a task needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shoal.model.retry import RetryPolicy
from shoal.shard.outcome import NO_RULES, Rules

if TYPE_CHECKING:
    from shoal.app import TaskDefinition
    from shoal.settings.task import TaskSettings


class Handler:
    """One task type: what runs it, and what holds when a task says nothing else."""

    __slots__ = (
        "convert",
        "function",
        "in_thread",
        "is_process",
        "name",
        "retry",
        "rules",
        "timeout_s",
    )

    def __init__(
        self,
        name: str,
        function: Callable[[Any, Any], Any],
        convert: Callable[[bytes], Any],
        *,
        in_thread: bool,
        is_process: bool = False,
        timeout_s: float,
        retry: RetryPolicy,
        rules: Rules = NO_RULES,
    ) -> None:
        self.name = name
        self.function = function
        self.convert = convert
        self.in_thread = in_thread
        #: Its code runs in a process worker, where the payload is converted too.
        self.is_process = is_process
        self.timeout_s = timeout_s
        self.retry = retry
        self.rules = rules


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
            in_thread=task.kind == "thread",
            is_process=task.kind == "process",
            timeout_s=task.timeout_s or settings.default_timeout_s,
            retry=task.retry or default_retry,
            rules=Rules(task.retry_on, task.give_up_on)
            if task.retry_on is not None or task.give_up_on
            else NO_RULES,
        )
        for name, task in tasks.items()
    }
