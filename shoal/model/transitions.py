"""The states of a task and the one table of how it moves between them.

The broker's scripts, ``shoal verify`` and the diagram in the documentation follow this table.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a task stands. Other systems call ``DEAD`` failed; see the glossary."""

    #: Ready: a worker may claim it now.
    PENDING = "PENDING"
    #: Waits for its time or for the tasks it depends on.
    SCHEDULED = "SCHEDULED"
    #: Claimed by a worker that keeps its lease.
    RUNNING = "RUNNING"
    #: Its handler returned. Terminal.
    COMPLETED = "COMPLETED"
    #: The last attempt failed, and a retry waits for its backoff.
    FAILED = "FAILED"
    #: Taken back before it completed. Terminal.
    CANCELLED = "CANCELLED"
    #: Will not run again by itself; in the dead letter queue, with the reason. Terminal.
    DEAD = "DEAD"


#: States that a task leaves only when an operator requeues it.
TERMINAL = frozenset({State.COMPLETED, State.CANCELLED, State.DEAD})

#: States in which ``submit`` may create a task.
#: CANCELLED: a task that it depends on has ended already, and did not complete.
INITIAL = frozenset({State.PENDING, State.SCHEDULED, State.CANCELLED})

#: From a state to each state that may follow, and the verbs that make that move.
TRANSITIONS: Mapping[State, Mapping[State, tuple[str, ...]]] = MappingProxyType(
    {
        State.PENDING: MappingProxyType(
            {
                State.RUNNING: ("claim",),
                # A claim that meets a requested cancel carries it out.
                State.CANCELLED: ("cancel", "claim"),
            }
        ),
        State.SCHEDULED: MappingProxyType(
            {
                # resolve: what it depends on has ended.
                State.PENDING: ("promote", "resolve"),
                State.CANCELLED: ("cancel", "resolve"),
            }
        ),
        State.RUNNING: MappingProxyType(
            {
                State.COMPLETED: ("settle",),
                State.FAILED: ("settle",),
                # release and recover: too many crashes or recoveries.
                State.DEAD: ("settle", "release", "recover"),
                State.CANCELLED: ("settle",),
                # settle: returned unrun.
                State.PENDING: ("settle", "release", "recover"),
                # settle: deferred, since this worker has no handler for the type.
                State.SCHEDULED: ("settle",),
            }
        ),
        State.FAILED: MappingProxyType(
            {
                State.PENDING: ("promote", "requeue"),
                State.CANCELLED: ("cancel",),
            }
        ),
        State.COMPLETED: MappingProxyType({}),
        State.CANCELLED: MappingProxyType({State.PENDING: ("requeue",)}),
        State.DEAD: MappingProxyType({State.PENDING: ("requeue",)}),
    }
)


def is_allowed(origin: State, target: State) -> bool:
    """Whether a task may move from ``origin`` to ``target`` in one step."""
    return target in TRANSITIONS[origin]
