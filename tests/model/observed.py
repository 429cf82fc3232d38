"""What the server holds, in the model's words; and how far the two differ."""

from typing import Any

from tests.model.clocked_server import ClockedServer
from tests.model.world import TERMINAL, World


def plain(reply: Any) -> Any:
    """A reply with text for bytes."""
    if isinstance(reply, bytes):
        return reply.decode()
    return [plain(part) for part in reply] if isinstance(reply, list) else reply


def as_model(verb: str, reply: Any) -> Any:
    """A script's reply in the form in which the model gives it: without times and payloads."""
    reply = plain(reply)
    if not isinstance(reply, list):
        return reply
    if verb == "claim":
        rows = [tuple(reply[at : at + 3]) for at in range(8, len(reply), 5)]
        return [reply[2:6], rows]
    if verb == "renew":
        rows = [tuple(reply[3][at : at + 3]) for at in range(0, len(reply[3]), 3)]
        return [reply[1], reply[2], sorted(rows)]
    if verb == "recover":
        return [reply[0], reply[2]]
    return reply[:3] if verb == "prune" else reply


def differences(server: ClockedServer, marker: str, world: World, ids: list[str]) -> list[str]:
    """Where the server is not as the model says; empty = nowhere."""
    found: list[str] = []
    for at in range(0, len(ids), 256):
        part = ids[at : at + 256]
        for task_id, row in zip(part, plain(server.run("inspect", marker, *part)), strict=True):
            real, right = _read(row), _expected(world, task_id)
            if real != right:
                found.append(f"{task_id}:\n  is    {real}\n  right {right}")
    ready, counts, _, _, streams, isolated = plain(server.run("verify_totals", marker))
    found += _differ("counts", _ints(counts), {k: n for k, n in world.counts.items() if n})
    right_ready: dict[str, int] = {}
    for name, entries, returned in zip(streams[0::3], streams[1::3], streams[2::3], strict=True):
        if (entries, returned) != (world.depth(name), len(world.pending(name, "returned"))):
            found.append(f"{name} has {entries} free entries, {returned} of them returned")
        right_ready |= {name: entries, f"{name}:returned": returned}
    right_ready["isolated_types"] = len(world.isolated_types)
    found += _differ("ready", _ints(ready), {k: n for k, n in right_ready.items() if n})
    found += _differ("isolated types", _ints(isolated), world.isolated_types)
    return found


def _ints(flat: list[Any]) -> dict[str, int]:
    numbers = zip(flat[0::2], flat[1::2], strict=True)
    return {name: int(value) for name, value in numbers if name != "about" and int(value)}


def _differ(name: str, real: dict[str, int], right: dict[str, int]) -> list[str]:
    return [
        f"{name}: {field} is {real.get(field)}, right is {right.get(field)}"
        for field in sorted(real.keys() | right.keys())
        if real.get(field) != right.get(field)
    ]


def _read(row: Any) -> dict[str, Any] | None:
    if row is None:
        return None
    fields = dict(zip(row[3::2], row[4::2], strict=True))
    lines = [line.split("\x1f") for line in fields.get("history", "").splitlines()]
    waiting = fields.get("waiting", "")
    return {
        "state": row[0],
        "worker": row[1],
        "place": fields["entry"],
        "cancel": fields.get("cancel"),
        "due": int(fields["due"]) if "due" in fields else None,
        "reason": fields.get("reason"),
        "crashes": int(fields.get("crashes", 0)),
        "recoveries": int(fields.get("recoveries", 0)),
        "forgotten": "spec" not in fields,
        "waiting": sorted(waiting[at : at + 36] for at in range(0, len(waiting), 36)),
        "history": [(line[0], line[1], line[5]) for line in lines],
    }


def _expected(world: World, task_id: str) -> dict[str, Any] | None:
    task = world.tasks.get(task_id)
    if task is None:
        return None
    state = world.state_of(task)
    entry = world.entry_at(task.place) if state == "RUNNING" else None
    return {
        "state": state,
        "worker": str(entry.holder) if entry else "",
        "place": task.place,
        "cancel": task.cancel,
        "due": task.due,
        "reason": task.reason if state in TERMINAL else None,
        "crashes": task.crashes,
        "recoveries": task.recoveries,
        "forgotten": task.is_forgotten,
        "waiting": sorted(world.waiting.get(task_id, ())),
        "history": [(line.kind, line.word, line.outcome) for line in task.history],
    }
