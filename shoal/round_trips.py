"""How submissions are cut into round trips, and what a round trip's answers mean."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

from shoal.broker.results import Submission, Submitted
from shoal.errors import BrokerUnavailable, QueueFull, ShoalError, TooManyQueues, TooManyTypes
from shoal.parents import tokens, unknown_parent
from shoal.submission import Plan

#: Tasks in one round trip: enough to share its cost, few enough to hold Redis up for 3 ms only.
MAX_TASKS_PER_FLUSH = 200
MAX_BYTES_PER_FLUSH = 2 * 1024 * 1024
#: Parents that one round trip may name, of all its tasks together; a single task may name as many by itself.
MAX_PARENTS_PER_FLUSH = 1000
_REFUSALS: dict[str, type[QueueFull | TooManyTypes | TooManyQueues]] = {
    "queue_full": QueueFull,
    "too_many_types": TooManyTypes,
    "too_many_queues": TooManyQueues,
}

#: A task to be submitted: its plan and its spec.
Item = tuple[Plan, bytes]


def submission_of(task_id: str, plan: Plan, spec: bytes) -> Submission:
    """What the broker takes."""
    return Submission(
        task_id,
        plan.type,
        plan.queue,
        plan.priority,
        spec,
        plan.due_s,
        plan.delay_s,
        plan.unique_key,
        plan.retention_s,
        tokens(plan, task_id) if plan.depends_on else (),
        plan.runs_anyway,
    )


def refusal_of(answer: Submitted) -> ShoalError | None:
    """Why a task was not accepted; ``None``: it was, or stood already."""
    if answer.status == "unknown_parent":
        return unknown_parent(answer.id)
    refusal = _REFUSALS.get(answer.status)
    return None if refusal is None else refusal()


def told(ids: Sequence[str | None], failure: ShoalError | None) -> list[str | ShoalError]:
    """Each one's id, or its own error, which names its own id at most."""
    unknown = iter(failure.ids if isinstance(failure, BrokerUnavailable) else ())
    results: list[str | ShoalError] = []
    for task_id in ids:
        if task_id is not None:
            results.append(task_id)
            continue
        error = copy.copy(failure) or BrokerUnavailable()
        if isinstance(error, BrokerUnavailable):
            error.ids = tuple(own for own in [next(unknown, None)] if own is not None)
        results.append(error)
    return results


def slices_of(specs: Sequence[bytes], parents: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each round trip begins and ends; ``parents`` says how many each task has."""
    start = size = named = 0
    for place, (spec, more) in enumerate(zip(specs, parents, strict=True)):
        size += len(spec)
        named += more
        if place > start and (
            place - start >= MAX_TASKS_PER_FLUSH
            or size > MAX_BYTES_PER_FLUSH
            or named > MAX_PARENTS_PER_FLUSH
        ):
            yield start, place
            start, size, named = place, len(spec), more
    if start < len(specs):
        yield start, len(specs)


def item_slices(items: Sequence[Item]) -> Iterator[tuple[int, int]]:
    """The same of different tasks."""
    return slices_of([spec for _, spec in items], [len(plan.depends_on) for plan, _ in items])


def summary(failures: Sequence[ShoalError], stored: Sequence[str | None]) -> ShoalError:
    """One error that says what was accepted and what was not."""
    unknown = [i for error in failures if isinstance(error, BrokerUnavailable) for i in error.ids]
    error = copy.copy(
        next((error for error in failures if isinstance(error, BrokerUnavailable)), failures[0])
    )
    if isinstance(error, BrokerUnavailable):
        error.ids = tuple(unknown)
        error.outcome_unknown = bool(unknown)
    error.accepted = tuple(task_id for task_id in stored if task_id is not None)
    error.refused = tuple(place for place, task_id in enumerate(stored) if task_id is None)
    error.args = (f"{len(error.accepted)} of {len(stored)} tasks were accepted: {error}",)
    return error
