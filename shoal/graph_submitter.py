"""Submits tasks that depend on one another: each graph in one partition, parents first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, InvalidTask, ShoalError, UnknownDependency
from shoal.model.graph import Node, arrange
from shoal.model.identity import partition_of
from shoal.parents import unknown_parent
from shoal.round_trips import Item, refusal_of, slices_of
from shoal.submission import Plan

if TYPE_CHECKING:
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


class _Graph:
    """Tasks on their way that have ids and may depend on those before them."""

    def __init__(self, submitter: Submitter, items: Sequence[Item], deadline_s: float) -> None:
        self._submitter = submitter
        self._deadline_s = deadline_s
        self._specs = [spec for _, spec in items]
        self._plans = [plan for plan, _ in items]
        self._ids = [plan.task_id or "" for plan in self._plans]
        #: By id, what stands for a task of the batch: another one, where its unique key was taken.
        self._stands_for: dict[str, str] = {}
        self._refused: set[str] = set()
        self.results: list[str | ShoalError] = [BrokerUnavailable()] * len(items)

    async def submit(self) -> None:
        """Submit them; ``results`` has each one's id, or why it was not stored."""
        seen = await self._submitter.parents.seen(self._plans, self._deadline_s, set(self._ids))
        left: list[int] = []
        for place, plan in enumerate(seen):
            if isinstance(plan, UnknownDependency):
                self._note(place, plan)
            else:
                self._plans[place] = plan
                left.append(place)
        for part in self._parts(left):
            await self._send([place for place in part if self._may_go(place)])

    def _may_go(self, place: int) -> bool:
        """Whether its parents were accepted; those among them that stand for others are named instead."""
        plan = self._plans[place]
        gone = next((parent for parent in plan.depends_on if parent in self._refused), None)
        if gone is not None:
            self._note(place, unknown_parent(gone))
            return False
        parents = tuple(self._stands_for.get(parent, parent) for parent in plan.depends_on)
        self._plans[place] = plan._replace(depends_on=parents)
        return True

    async def _send(self, places: Sequence[int]) -> None:
        if not places:
            return
        batch = [
            self._submitter.submission(self._ids[n], self._plans[n], self._specs[n]) for n in places
        ]
        try:
            answers = await self._submitter.deliver(
                partition_of(batch[0].id), batch, self._deadline_s
            )
        except ShoalError as error:
            for place in places:
                self.results[place] = _own_failure(error, self._ids[place])
            return
        for place, answer in zip(places, answers, strict=True):
            self._note(place, refusal_of(answer) or answer.id)

    def _note(self, place: int, result: str | ShoalError) -> None:
        self.results[place] = result
        own = self._ids[place]
        if isinstance(result, ShoalError):
            self._refused.add(own)
        elif result != own:
            self._stands_for[own] = result

    def _parts(self, places: Sequence[int]) -> Iterator[list[int]]:
        """Neighbours of one partition, as many as a round trip takes."""
        for _, run in groupby(places, lambda place: partition_of(self._ids[place])):
            mates = list(run)
            sizes = [len(self._plans[n].depends_on) for n in mates]
            for start, end in slices_of([self._specs[n] for n in mates], sizes):
                yield mates[start:end]


async def submit_graph(
    submitter: Submitter, items: Sequence[Item], deadline_s: float
) -> list[str | ShoalError]:
    """Submit tasks that have ids and may depend on those before them; each one's id or why it was not stored.

    Args:
        submitter: Of this process.
        items: Parents first.
        deadline_s: Until when an unanswered call is repeated, monotonic.
    """
    graph = _Graph(submitter, items, deadline_s)
    try:
        await graph.submit()
    except BrokerUnavailable as error:  # before anything was sent
        return [copy.copy(error) for _ in items]
    return graph.results


async def submit_all(submitter: Submitter, bound: Bound, count: int) -> list[str | ShoalError]:
    """Submit a bound batch of ``count`` tasks: graphs first, then those that stand alone; in the batch's order."""
    deadline_s = mono_s() + submitter.patience_s
    results: list[str | ShoalError] = [
        bound.faults.get(place) or BrokerUnavailable() for place in range(count)
    ]
    stored = await submit_graph(submitter, [bound.items[n] for n in bound.graph], deadline_s)
    for place, result in zip(bound.graph, stored, strict=True):
        results[place] = result
    connected = set(bound.graph)
    alone = [n for n in range(count) if n in bound.items and n not in connected]
    stored = await submitter.each([bound.items[n] for n in alone])
    for place, result in zip(alone, stored, strict=True):
        results[place] = result
    return results


def _own_failure(error: ShoalError, task_id: str) -> ShoalError:
    own = copy.copy(error)
    if isinstance(own, BrokerUnavailable) and own.outcome_unknown:
        own.ids = (task_id,)
    return own
