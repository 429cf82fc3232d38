"""What tasks depend on, on its way to Redis: how parents stand, and how a script is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Final

from shoal.broker.outbox import Outboxes
from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, UnknownDependency
from shoal.model.identity import partition_of
from shoal.submission import Plan

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

_BACKOFF_S: Final = 0.1
#: How a parent of another partition was seen to stand; every other word means that it will not complete.
_SIGNS: Final = {"alive": "?", "COMPLETED": "+"}


class Parents:
    """Looks tasks up that others are to depend on."""

    def __init__(self, broker: Broker) -> None:
        self._outboxes = Outboxes(broker)

    async def seen(
        self, plans: Sequence[Plan], deadline_s: float, together: Container[str] = ()
    ) -> list[Plan | UnknownDependency]:
        """Each plan with how its parents stand, or which of them nobody knows.

        Args:
            plans: In order.
            deadline_s: Until when Redis is asked again, monotonic.
            together: Ids that are submitted together with these, parents first.

        Raises:
            BrokerUnavailable: No answer in time; nothing was submitted.
        """
        wanted = {i for plan in plans for i in plan.depends_on if i not in together}
        states = await self._ask(sorted(wanted), deadline_s) if wanted else {}
        out: list[Plan | UnknownDependency] = []
        for plan in plans:
            if not plan.depends_on:
                out.append(plan)
                continue
            theirs = {i: states.get(i, "") for i in plan.depends_on if i not in together}
            unknown = next((i for i, state in theirs.items() if not state), None)
            if unknown is None:
                out.append(plan._replace(parent_states=theirs))
            else:
                out.append(unknown_parent(unknown))
        return out

    async def _ask(self, ids: Sequence[str], deadline_s: float) -> dict[str, str]:
        while True:
            try:
                return await self._outboxes.parents(ids)
            except BrokerUnavailable as error:
                if mono_s() >= deadline_s:
                    raise BrokerUnavailable(str(error)) from error
            await asyncio.sleep(random.uniform(0, _BACKOFF_S))


def unknown_parent(task_id: str) -> UnknownDependency:
    """The error that says so."""
    return UnknownDependency(
        f"depends_on: no task has the id {task_id}, or its retention has passed", parent=task_id
    )


def tokens(plan: Plan, task_id: str) -> tuple[str, ...]:
    """What the script is told of a task's parents: itself it sees only those of its own partition."""
    here = partition_of(task_id)
    return tuple(
        parent
        if partition_of(parent) == here
        else parent + _SIGNS.get(plan.parent_states.get(parent, "alive"), "-")
        for parent in plan.depends_on
    )
