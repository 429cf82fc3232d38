"""How ended tasks leave the model."""

from typing import Any

from tests.model.world import TERMINAL, World


def prune_done(world: World, budget: int, excess: int, until: int) -> int:
    """Whole entries of the journal from its old end; returns how many ids they name."""
    taken = 0
    budget = min(budget, excess, 256) if excess >= 0 else budget
    while taken < budget and world.journal and world.journal[0][0][0] <= until:
        _, named = world.journal.pop(0)
        for _, task_id in named:
            task = world.tasks.get(task_id)
            if task and task.state == "COMPLETED":
                world.forget(task)
        taken += len(named)
    return taken


def prune(world: World, *arguments: str) -> Any:
    """By age, by number, and what has a retention of its own."""
    keep, age, tombstone = (int(argument) for argument in arguments[:3])
    old = world.now - max(age, tombstone)
    completed = prune_done(world, 256, 256, old)
    excess = world.counts["COMPLETED"] - keep
    if completed == 0 and excess > 0:
        completed = prune_done(world, 256, excess, world.now - tombstone)
    gone = {"COMPLETED": completed, "CANCELLED": 0, "DEAD": 0}
    for task in list(world.tasks.values()):
        if task.state in ("CANCELLED", "DEAD") and task.since <= old:
            world.forget(task)
            gone[task.state] += 1
    for task_id, at in list(world.expiring.items()):
        if at <= world.now:
            del world.expiring[task_id]
            over = world.tasks.get(task_id)
            if over and over.state in TERMINAL:
                world.forget(over)
                gone[str(over.state)] += 1
    return list(gone.values())


def delete(world: World, *arguments: str) -> Any:
    """An operator forgets ended tasks, but none that ended just now."""
    youngest = world.now - int(arguments[0])
    answer: list[str] = []
    for task_id in arguments[1:]:
        task = world.tasks.get(task_id)
        if task is None:
            answer += ["not_found", ""]
        elif task.state not in TERMINAL:
            answer += ["active", task.state or "PENDING"]
        else:
            # COMPLETED keeps no time of its end but the one in its history.
            ended = task.history[-1].at if task.state == "COMPLETED" else task.since
            if ended > youngest:
                answer += ["recent", str(task.state)]
                continue
            world.expiring.pop(task_id, None)
            world.forget(task)
            answer += ["deleted", str(task.state)]
    return answer
