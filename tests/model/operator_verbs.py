"""What clients and operators ask of the model, and what the outbox delivers."""

from collections.abc import Sequence
from typing import Any

from tests.model.retention import delete, prune
from tests.model.worker_verbs import claim, recover, release, renew, rows, settle
from tests.model.world import RETURNED, TERMINAL, Line, Task, World


def submit(world: World, *arguments: str) -> Any:
    """Accept tasks; an id or a unique key that stands answers who has it."""
    answer: list[Any] = ["ok"]
    holders: dict[str, str] = {}
    for k, row in enumerate(rows(arguments[4:], 6), 1):
        status = _submit_one(world, row, holders)
        if status:
            answer += [k, status]
    return answer


def _submit_one(world: World, row: Sequence[str], holders: dict[str, str]) -> str:
    task_id, type_, stream, when, unique = row[:5]
    due, retention, on_failure, parents = (*when.split("|"), "", "", "")[:4]
    at = world.now + int(due) if due else 0
    if task_id in world.tasks:
        return f"exists:{task_id}"
    if unique and world.unique.get(unique) in world.tasks:
        holders[task_id] = world.unique[unique]
        return f"exists:{world.unique[unique]}"
    above = [holders.get(name, name) for name in parents.split()]
    ends = [_end_of(world, parent) for parent in above]
    if None in ends:
        return f"unknown_parent:{above[ends.index(None)]}"
    alive = [parent for parent, how in zip(above, ends, strict=True) if how == "alive"]
    failed = any(how not in ("alive", "COMPLETED") for how in ends)
    task = Task(task_id, type_, stream, unique=unique, since=world.now)
    task.had_parents, task.runs_anyway = bool(parents), on_failure == "run"
    if retention:
        task.retention = (retention[0], int(retention[1:]))
    world.tasks[task_id] = task
    if failed and not task.runs_anyway:
        world.move(type_, None, "CANCELLED")
        world.end(task, "CANCELLED", "dependency_failed")
        return ""
    if unique:
        world.unique[unique] = task_id
    if alive or at > world.now:
        task.state = "SCHEDULED"
        world.move(type_, None, "SCHEDULED")
        task.due = at if at > world.now else None
        if alive:
            world.waiting[task_id] = set(alive)
            for parent in alive:
                world.dependents.setdefault(parent, set()).add(task_id)
                world.tasks[parent].has_dependents = True
        else:
            world.scheduled[task_id] = at
    else:
        world.move(type_, None, "PENDING")
        world.make_ready(task, stream)
    return ""


def _end_of(world: World, task_id: str) -> str | None:
    task = world.tasks.get(task_id)
    if task is None:
        return world.ended.get(task_id)
    return task.state if task.state in TERMINAL else "alive"


def cancel(world: World, *arguments: str) -> Any:
    """What waits is CANCELLED, what runs is asked to end."""
    answer: list[str] = []
    for task_id in arguments[1:]:
        task = world.tasks.get(task_id)
        if task is None:
            answer += ["not_found", ""]
        elif task.state in TERMINAL:
            answer += ["terminal", str(task.state)]
        elif world.state_of(task) == "RUNNING":
            task.cancel = arguments[0]
            answer += ["requested", "RUNNING"]
        else:
            _cancel_waiting(world, task, arguments[0])
            answer += ["cancelled", "CANCELLED"]
    return answer


def _cancel_waiting(world: World, task: Task, reason: str) -> None:
    world.move(task.type, task.state or "PENDING", "CANCELLED")
    world.scheduled.pop(task.id, None)
    entry = None if task.state else world.entry_at(task.place)
    if entry:
        world.drop(entry)
    world.end(task, "CANCELLED", reason)


def requeue(world: World, *arguments: str) -> Any:
    """A second chance for what has failed, died or been cancelled; once an operation."""
    answer: list[str] = []
    for task_id in arguments[1:]:
        answer += _requeue_one(world, task_id, arguments[0])
    return answer


def _requeue_one(world: World, task_id: str, operation: str) -> tuple[str, str]:
    task = world.tasks.get(task_id)
    if task is None:
        return "not_found", ""
    state = task.state
    holder = world.unique.get(task.unique, task_id) if task.unique else task_id
    refusals = {
        "already": any(ln.kind == "requeued" and ln.word == operation for ln in task.history),
        "completed": state == "COMPLETED",
        "active": state in (None, "SCHEDULED"),
        "forgotten": task.is_forgotten,
        "key_taken": holder != task_id and holder in world.tasks,
    }
    if refused := next((word for word, is_so in refusals.items() if is_so), None):
        return refused, state or "PENDING"
    notice = f"finished {state} {task.since} {task_id}"
    if notice in world.outbox:
        world.outbox.remove(notice)
    world.ended.pop(task_id, None)
    world.expiring.pop(task_id, None)
    world.scheduled.pop(task_id, None)
    if task.unique:
        world.unique[task.unique] = task_id
    task.history.append(Line("requeued", operation, world.now, ""))
    task.reason, task.crashes, task.recoveries, task.cancel = None, 0, 0, None
    world.make_ready(task, task.stream)
    world.move(task.type, state, "PENDING")
    return "requeued", str(state)


def purge(world: World, *arguments: str) -> Any:
    """Cancel what is PENDING in one stream."""
    stream, reason, last, after = arguments
    entries = list(world.streams.get(stream, []))
    if not last:
        if not entries:
            return [0, "", ""]
        last = entries[-1].place.partition("/")[2]
    purged = 0
    for entry in entries:
        is_meant = _id(entry.place) <= _id(last) and (not after or _id(entry.place) > _id(after))
        task = world.task_of(entry)
        if is_meant and task and entry.holder in (None, RETURNED):
            _cancel_waiting(world, task, reason)
            purged += 1
    return [purged, last, ""]


def _id(place: str) -> tuple[int, ...]:
    return tuple(int(part) for part in place.rpartition("/")[2].split("-"))


def pause(world: World, *arguments: str) -> Any:
    """Claims stop."""
    is_new = arguments[0] not in world.paused
    world.paused.add(arguments[0])
    return int(is_new)


def resume(world: World, *arguments: str) -> Any:
    """Claims go on."""
    was = arguments[0] in world.paused
    world.paused.discard(arguments[0])
    return int(was)


def outbox_dependents(world: World, *arguments: str) -> Any:
    """Whom to tell next of an end."""
    notice, told = arguments[0], arguments[3:]
    parent = notice.rpartition(" ")[2]
    left = world.dependents.get(parent, set())
    left.difference_update(told)
    if notice not in world.outbox:
        return "withdrawn"
    if left:
        return ["slice", 0, *sorted(left)]
    world.outbox.remove(notice)
    if parent in world.tasks:
        world.tasks[parent].has_dependents = False
    return "done"


def resolve(world: World, *arguments: str) -> Any:
    """Children learn how a parent ended."""
    resolved = 0
    for parent, how, child in rows(arguments, 3):
        waits = world.waiting.get(child, set())
        if parent not in waits:
            continue
        waits.discard(parent)
        task = world.tasks.get(child)
        if task is None or task.state != "SCHEDULED":
            world.waiting.pop(child, None)
        elif how != "COMPLETED" and not task.runs_anyway:
            world.move(task.type, "SCHEDULED", "CANCELLED")
            world.end(task, "CANCELLED", "dependency_failed")
            resolved += 1
        elif not waits:
            del world.waiting[child]
            resolved += 1
            if task.due is not None and task.due > world.now:
                world.scheduled[child] = task.due
            else:
                world.move(task.type, "SCHEDULED", "PENDING")
                world.make_ready(task, task.stream)
        if not waits:
            world.waiting.pop(child, None)
    return resolved


VERBS = {
    verb.__name__: verb
    for verb in (
        submit, claim, settle, renew, release, recover, cancel, requeue, purge, pause, resume,
        prune, delete, outbox_dependents, resolve,
    )
}  # fmt: skip
"""By the names of the scripts."""
