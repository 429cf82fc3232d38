"""Shoal: a distributed task queue on Redis Streams.

What user code needs is exported here and loaded when first asked for, so that ``import shoal``
costs a supervisor or a command-line call nothing it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoal.app import Shoal, TaskDefinition
    from shoal.client import Client, SyncClient
    from shoal.context import TaskContext
    from shoal.errors import NonRetryable, Retry, ShoalError
    from shoal.model.priority import Priority
    from shoal.model.retry import RetryPolicy
    from shoal.model.task import Task
    from shoal.model.transitions import State

__version__ = "0.1.0"

__all__ = [
    "Client",
    "NonRetryable",
    "Priority",
    "Retry",
    "RetryPolicy",
    "Shoal",
    "ShoalError",
    "State",
    "SyncClient",
    "Task",
    "TaskContext",
    "TaskDefinition",
    "__version__",
]

_HOMES = {
    "Client": "shoal.client",
    "NonRetryable": "shoal.errors",
    "Priority": "shoal.model.priority",
    "Retry": "shoal.errors",
    "RetryPolicy": "shoal.model.retry",
    "Shoal": "shoal.app",
    "ShoalError": "shoal.errors",
    "State": "shoal.model.transitions",
    "SyncClient": "shoal.client",
    "Task": "shoal.model.task",
    "TaskContext": "shoal.context",
    "TaskDefinition": "shoal.app",
}


def __getattr__(name: str) -> Any:
    """Load an exported name from the module that defines it, once."""
    home = _HOMES.get(name)
    if home is None:
        message = f"module 'shoal' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List what is exported, loaded or not."""
    return sorted({*globals(), *__all__})
