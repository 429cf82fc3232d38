"""Submits tasks that depend on one another: each graph in one partition, parents first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, InvalidTask, ShoalError, UnknownDependency
from shoal.model.graph import Node, arrange
from shoal.model.identity import partition_of
from shoal.parents import unknown_parent
from shoal.submission import Plan
from shoal.submitter import Item, refusal_of, slices_of, submission_of

if TYPE_CHECKING:
    from shoal.broker.results import Submitted
    from shoal.submitter import Submitter


class Member(NamedTuple):
    """One task of a batch: ``plan.depends_on`` holds ids of tasks, ``needs`` the names of others of the batch."""

    plan: Plan
    spec: bytes
    #: What others of the batch may call it.
    ref: str | None = None
    #: ``ref:NAME``, each.
    needs: tuple[str, ...] = ()


class Bound(NamedTuple):
    """The batch with its ids.

    Attributes:
        graph: Places of those that are connected, parents first; their plans have ids.
        items: By place.
        faults: By place, those that were refused.
    """

    graph: list[int]
    items: dict[int, Item]
    faults: dict[int, InvalidTask]


def bind(
    members: Sequence[Member | None],
    partition_of_graph: Callable[[int, Plan], int],
    new_id: Callable[[int, Plan, int], str],
) -> Bound:
    """Give those ids that are connected by their names, all of a graph in one partition.

    Args:
        members: In order; ``None`` = refused before.
        partition_of_graph: From the lowest place of a graph, and the plan that decides, to its partition.
        new_id: From a place, its plan and its partition to its id; a unique key may decide on another.
    """
    arranged = arrange([m and Node(m.ref, [*m.plan.depends_on, *m.needs]) for m in members])
    known = {place: member for place, member in enumerate(members) if member is not None}
    faults = {place: InvalidTask(f"depends_on: {why}") for place, why in arranged.faults.items()}
    partitions: dict[int, int] = {}
    for group, mates in groupby(arranged.order, arranged.group.__getitem__):
        plans = [known[place].plan for place in mates]
        # Beside a parent outside the batch, if there is one.
        decides = next((plan for plan in plans if plan.depends_on), plans[0])
        partitions[group] = partition_of_graph(group, decides)
    ids: dict[int, str] = {}
    items: dict[int, Item] = {}
    for place in arranged.order:
        plan = known[place].plan
        ids[place] = plan.task_id or new_id(place, plan, partitions[arranged.group[place]])
        parents = tuple(
            parent if isinstance(parent, str) else ids[parent] for parent in arranged.parents[place]
        )
        items[place] = (plan._replace(task_id=ids[place], depends_on=parents), known[place].spec)
    for place, member in known.items():
        if place not in items and place not in faults:
            items[place] = (member.plan, member.spec)
    # Graphs of one partition share round trips.
    graph = sorted(arranged.order, key=lambda place: partitions[arranged.group[place]])
    return Bound(graph, items, faults)


async def submit_graph(
    submitter: Submitter, items: Sequence[Item], deadline_s: float
) -> list[str | ShoalError]:
    """Submit tasks that have ids and may depend on those before them; each one's id or why it was not stored.

    Args:
        submitter: Of this process.
        items: Parents first.
        deadline_s: Until when an unanswered call is repeated, monotonic.
    """
    own = [plan.task_id or "" for plan, _ in items]
    results: list[str | ShoalError] = [BrokerUnavailable()] * len(items)
    try:
        seen = await submitter.parents.seen([plan for plan, _ in items], deadline_s, set(own))
    except BrokerUnavailable as error:
        return [copy.copy(error) for _ in items]
    #: What stands for a task of the batch: another one, where its unique key was taken.
    stands_for: dict[str, str] = {}
    refused: set[str] = set()
    left: list[int] = []
    for place, plan in enumerate(seen):
        if isinstance(plan, UnknownDependency):
            results[place] = plan
            refused.add(own[place])
        else:
            left.append(place)
    for part in _parts(left, items, own):
        sent: list[tuple[int, Plan]] = []
        for place in part:
            plan = seen[place]
            assert isinstance(plan, Plan)  # noqa: S101 - the others were sorted out above
            gone = next((parent for parent in plan.depends_on if parent in refused), None)
            if gone is not None:
                results[place] = unknown_parent(gone)
                refused.add(own[place])
                continue
            parents = tuple(stands_for.get(parent, parent) for parent in plan.depends_on)
            sent.append((place, plan._replace(depends_on=parents)))
        if not sent:
            continue
        batch = [submission_of(own[place], plan, items[place][1]) for place, plan in sent]
        try:
            answers = await submitter.deliver(partition_of(batch[0].id), batch, deadline_s)
        except ShoalError as error:
            for place, _ in sent:
                results[place] = _own_failure(error, own[place])
            continue
        for (place, _), answer in zip(sent, answers, strict=True):
            results[place] = _told(answer)
            if isinstance(results[place], ShoalError):
                refused.add(own[place])
            elif answer.id != own[place]:
                stands_for[own[place]] = answer.id
    return results


async def submit_all(submitter: Submitter, bound: Bound, count: int) -> list[str | ShoalError]:
    """Submit a bound batch of ``count`` tasks: graphs first, then those that stand alone; in the batch's order."""
    deadline_s = mono_s() + submitter.patience_s
    results: list[str | ShoalError] = [bound.faults.get(n) or BrokerUnavailable() for n in range(count)]
    stored = await submit_graph(submitter, [bound.items[n] for n in bound.graph], deadline_s)
    for place, result in zip(bound.graph, stored, strict=True):
        results[place] = result
    connected = set(bound.graph)
    alone = [n for n in range(count) if n in bound.items and n not in connected]
    stored = await submitter.each([bound.items[n] for n in alone])
    for place, result in zip(alone, stored, strict=True):
        results[place] = result
    return results


def _parts(places: Sequence[int], items: Sequence[Item], own: Sequence[str]) -> list[list[int]]:
    """Neighbours of one partition, as many as a round trip takes."""
    runs: list[list[int]] = []
    for place in places:
        if not runs or partition_of(own[runs[-1][0]]) != partition_of(own[place]):
            runs.append([])
        runs[-1].append(place)
    return [
        run[start:end]
        for run in runs
        for start, end in slices_of(
            [items[n][1] for n in run], [len(items[n][0].depends_on) for n in run]
        )
    ]


def _told(answer: Submitted) -> str | ShoalError:
    return refusal_of(answer) or answer.id


def _own_failure(error: ShoalError, task_id: str) -> ShoalError:
    own = copy.copy(error)
    if isinstance(own, BrokerUnavailable) and own.outcome_unknown:
        own.ids = (task_id,)
    return own
