"""Who is to blame for the end of a shard, by the evidence of its page; pure.

What was executing when a shard died of its own fault is charged. Death from outside (the kernel's, an
operator's) charges nobody: it says nothing about what ran.
"""

from __future__ import annotations

import signal

from shoal.broker.results import Blame, Charge
from shoal.page import PageSnapshot, PageState
from shoal.supervisor.slot import Ending

__all__ = ["blame_for"]

#: Signals that a process brings upon itself.
_OWN_FAULT = frozenset(
    int(getattr(signal, name))
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGSYS")
)


def blame_for(ending: Ending, page: PageSnapshot, *, killed_for: str) -> Blame | None:
    """What a dead shard is to be charged to; None = to nobody.

    Args:
        ending: How it ended.
        page: Its page, read after its end.
        killed_for: Why its supervisor killed it, where that is the fault of what it ran; else empty.

    Returns:
        Nothing also where it died of its own fault while no task's code was executing: nobody knows
        whose fault it was.
    """
    # A shard that ends in order says so on its page, whatever it then exits with.
    is_own_exit = not ending.signal and page.state is not PageState.ENDED
    if not (is_own_exit or ending.signal in _OWN_FAULT or killed_for):
        return None
    charges = tuple(Charge(task.partition, task.token, task.type) for task in page.executing)
    return Blame(killed_for or str(ending), charges) if charges else None
