"""What workers ask of the model: claim, settle, renew, release, recover."""

from collections.abc import Sequence
from typing import Any

from tests.model.retention import prune_done
from tests.model.world import LEASE_MS, RETURNED, Entry, Line, Task, World

MOST_RECOVERIES, RECOVERIES_AN_HOUR, CHARGES_A_MINUTE = 10, 3, 3
ISOLATED = ":isolated"


def touch(world: World) -> None:
    """Silence is not death: the first contact after a gap begins a grace."""
    gap = None if world.contact is None else world.now - world.contact
    world.contact = world.now
    if gap is None or gap < 0 or gap > LEASE_MS / 3:
        world.grace_until = world.now + LEASE_MS


def promote(world: World) -> None:
    """What is due becomes ready."""
    due = sorted((at, task_id) for task_id, at in world.scheduled.items() if at <= world.now)
    for _, task_id in due:
        del world.scheduled[task_id]
        task = world.tasks[task_id]
        origin = task.state
        world.make_ready(task, task.stream)
        world.move(task.type, origin, "PENDING")


def claim(world: World, *arguments: str) -> Any:
    """Take ready tasks, highest priority first, what was handed back before all others."""
    me, number, want, flags = arguments[0], int(arguments[1]), int(arguments[2]), arguments[5]
    touch(world)
    record = world.claimed.get(me)
    if record == "dead":
        return "dead"
    world.beats[me] = world.now
    recorded = record[0] if isinstance(record, tuple) else None
    if recorded is not None and number < recorded:
        return "old"
    suffix = ISOLATED if "x" in flags else ""
    taken: list[Entry] = []
    if recorded == number:
        assert isinstance(record, tuple)
        held = [world.held(token, me) for token in record[1]]
        taken = [entry for entry in held if entry and world.task_of(entry)]
    else:
        promote(world)
        before = {stream for stream in world.streams if world.depth(stream)}
        if want > 0:
            apart = set()
            if world.isolated_types and not suffix:
                world.isolated_types = {
                    task_type: until
                    for task_type, until in world.isolated_types.items()
                    if until > world.now
                }
                apart = set(world.isolated_types)
            for stream in _visits(world, number, suffix, ignores="i" in flags):
                want -= _take(world, me, stream, want, apart, taken)
                if want <= 0:
                    break
        world.claimed[me] = (number, [entry.token for entry in taken])
    depths = [0, 0, 0, 0]
    for stream in world.streams if recorded == number else before:
        if stream.endswith(ISOLATED) == bool(suffix) and _may_take(world, stream):
            depths[int(stream.split(":")[1])] += world.depth(stream)
    rows = [(entry.token, entry.task, entry.type) for entry in taken]
    return [depths, rows]


def _may_take(world: World, stream: str) -> bool:
    queue, priority = stream.split(":")[:2]
    return not world.paused & {"*", queue, f"{queue}:{priority}"}


def _visits(world: World, number: int, suffix: str, *, ignores: bool) -> list[str]:
    """Streams in the order of a claim: by priority, and in it each queue first in its turn."""
    by_priority: dict[int, list[str]] = {3: [], 2: [], 1: [], 0: []}
    more: list[str] = []
    for priority, here in by_priority.items():
        for queue in sorted(world.queues):
            stream = f"{queue}:{priority}{suffix}"
            if _may_take(world, stream):
                (here if world.depth(stream) else more).append(stream)
    if ignores:
        for k in range(1, min(len(more), 16) + 1):
            stream = more[(number * 16 + k) % len(more)]
            by_priority[int(stream.split(":")[1])].append(stream)
    out = []
    for here in by_priority.values():
        names = sorted(here)
        out += [names[(number + k) % len(names)] for k in range(1, len(names) + 1)]
    return out


def _take(
    world: World, me: str, stream: str, want: int, apart: set[str], taken: list[Entry]
) -> int:
    """Read one stream; returns how many of those that were wanted it gave."""
    read = 0
    entries = list(world.streams.get(stream, []))
    free = [e for e in entries if e.holder == RETURNED] + [e for e in entries if e.holder is None]
    for entry in free:
        if read >= want:
            break
        read += 1
        entry.holder, entry.delivered = me, world.now
        entry.count += 1
        task = world.task_of(entry)
        if task is None:
            if entry.task not in world.tasks:
                world.move(entry.type, "PENDING", None)
            world.drop(entry)
        elif task.cancel is not None:
            world.drop(entry)
            world.move(task.type, "PENDING", "CANCELLED")
            world.end(task, "CANCELLED", task.cancel)
        elif task.type in apart:
            read -= 1
            task.history.append(Line("interrupted", entry.token, world.now, "type_isolated"))
            world.drop(entry)
            world.make_ready(task, stream + ISOLATED)
        else:
            world.move(task.type, "PENDING", "RUNNING")
            taken.append(entry)
    return read


def settle(world: World, *arguments: str) -> Any:
    """Record how attempts ended; only a token that holds changes anything."""
    me = arguments[0]
    answer: list[Any] = ["ok"]
    done: list[tuple[str, str]] = []
    isolated_drops = False
    for k, row in enumerate(rows(arguments[3:], 7), 1):
        status, entry = _settle_one(world, me, row, done)
        if status != "ok":
            answer += [k, status]
        if entry is not None:
            world.drop(entry)
            isolated_drops = isolated_drops or entry.stream.endswith(ISOLATED)
    if done:
        types = list(dict.fromkeys(task_type for task_type, _ in done))
        world.journal.append(
            (
                world.add_id("done"),
                [row for task_type in types for row in done if row[0] == task_type],
            )
        )
        excess = world.counts["COMPLETED"] - int(arguments[1])
        if excess > 0:
            prune_done(world, 2 * len(done), excess, world.now - int(arguments[2]))
        if isolated_drops:
            for task_type in types:
                if recent_charges(world, task_type) < CHARGES_A_MINUTE:
                    world.isolated_types.pop(task_type, None)
    return answer


def _settle_one(
    world: World, me: str, row: Sequence[str], done: list[tuple[str, str]]
) -> tuple[str, Entry | None]:
    """The status of one outcome, and the entry that leaves."""
    token, task_id, task_type, outcome, detail, _body, tail = row
    entry, task = world.held(token, me), world.tasks.get(task_id)
    if not (task and entry and world.task_of(entry) is task):
        return _refused(world, row, task, entry)
    kind = "interrupted" if outcome in ("returned", "deferred") else "run"
    task.history.append(Line(kind, token, int(tail.split("\x1f")[0]), tail.split("\x1f")[2]))
    if outcome == "returned":
        entry.holder, entry.delivered = RETURNED, world.now
        world.move(task_type, "RUNNING", "PENDING")
        return "ok", None
    state = {"completed": "COMPLETED", "failed": "FAILED", "dead": "DEAD", "deferred": "SCHEDULED"}
    target = state.get(outcome, "CANCELLED")
    reason: str | None = detail
    if task.cancel is not None and target not in ("COMPLETED", "DEAD"):
        target, reason = "CANCELLED", task.cancel
    if target == "COMPLETED":
        done.append((task_type, task_id))
        reason = None
    world.move(task_type, "RUNNING", target)
    if target in ("FAILED", "SCHEDULED"):
        task.state, task.since = target, world.now
        task.due = world.scheduled[task_id] = world.now + int(detail)
    else:
        world.end(task, target, reason)
    return "ok", entry


def _refused(
    world: World, row: Sequence[str], task: Task | None, entry: Entry | None
) -> tuple[str, Entry | None]:
    token, task_id, task_type = row[:3]
    if task is not None:
        ran = any(line.kind == "run" and line.word == token for line in task.history)
        return ("already" if ran else "stale"), None
    # Nothing but the entry is left of it, if this is its entry at all.
    if entry is not None and entry.task != task_id:
        entry = None
    if entry is not None:
        world.move(task_type, "RUNNING", None)
    return "gone", entry


def renew(world: World, *arguments: str) -> Any:
    """Keep the right to run; say what is lost, cancelled or unknown."""
    me, rotation = arguments[0], int(arguments[2])
    touch(world)
    record = world.claimed.get(me)
    if record == "dead":
        return "dead"
    world.beats[me] = world.now
    lost, cancels, listed, streams = [], [], set(), set()
    for task_id, token in rows(arguments[4:], 2):
        listed.add(token)
        streams.add(token.partition("/")[0])
        entry = world.held(token, me)
        task = world.task_of(entry) if entry else None
        if entry and task and task.id == task_id:
            entry.delivered = world.now
            if task.cancel is not None:
                cancels.append(token)
        else:
            lost.append(token)
    if isinstance(record, tuple):
        streams |= {token.partition("/")[0] for token in record[1]}
    if world.queues:
        queue = sorted(world.queues)[rotation % len(world.queues)]
        streams |= {f"{queue}:{p}{suffix}" for p in range(4) for suffix in ("", ISOLATED)}
    unknown = [
        (entry.token, entry.task, entry.type)
        for stream in streams
        for entry in world.pending(stream, me)
        if world.now - entry.delivered >= LEASE_MS // 3 and entry.token not in listed
    ]
    return [lost, cancels, sorted(unknown)]


def release(world: World, *arguments: str) -> Any:
    """Hand back all that an incarnation has."""
    me, reason = arguments[0], arguments[1]
    charged, most = None, 0
    if reason == "crashed":
        most = int(arguments[3])
        pairs = list(rows(arguments[4:], 2))
        charged = ({token for token, _ in pairs}, len(pairs) == 1)
        for _, task_type in pairs:
            _charge(world, task_type, me)
    world.claimed[me] = "dead"
    released = apart = 0
    for stream in world.all_streams():
        for entry in world.pending(stream, me):
            goes = _hand_back(world, entry, reason, charged, most)
            released += goes != "drop"
            apart += goes == "isolated" or (goes == RETURNED and stream.endswith(ISOLATED))
    world.beats.pop(me, None)
    return [released, 1, apart]


def _hand_back(
    world: World,
    entry: Entry,
    reason: str,
    charged: tuple[set[str], bool] | None = None,
    most: int = 0,
) -> str:
    """One entry goes back, apart, or its task is DEAD; returns which."""
    task, token = world.task_of(entry), entry.token
    if task is None:
        if entry.task not in world.tasks:
            world.move(entry.type, "RUNNING", None)
        world.drop(entry)
        return "drop"
    word, goes, why = reason, RETURNED, reason
    recent = _recent(task, world.now) + 1
    if charged and token in charged[0]:
        task.crashes += 1
        word, goes, why = "crashed", "isolated", "crashed"
        if task.crashes >= most and charged[1]:
            goes, why = "DEAD", "quarantined"
    elif charged:
        word = "beside_crash"
    elif reason in ("killed", "lost"):
        task.recoveries += 1
        if task.recoveries >= MOST_RECOVERIES:
            goes, why = "DEAD", "lost_too_often"
        elif (
            task.recoveries >= RECOVERIES_AN_HOUR
            and not entry.stream.endswith(ISOLATED)
            and recent >= RECOVERIES_AN_HOUR
        ):
            goes = "isolated"
    task.history.append(Line("interrupted", token, world.now, word))
    world.move(task.type, "RUNNING", "DEAD" if goes == "DEAD" else "PENDING")
    if goes == RETURNED:
        entry.holder, entry.delivered = RETURNED, world.now
        return goes
    world.drop(entry)
    if goes == "DEAD":
        world.end(task, "DEAD", why)
    else:
        world.make_ready(task, entry.stream.removesuffix(ISOLATED) + ISOLATED)
    return goes


def _recent(task: Task, now: int) -> int:
    n = 0
    for line in task.history:
        if line.kind == "requeued":
            n = 0
        elif line.kind == "interrupted" and line.outcome in ("killed", "lost"):
            n += line.at > now - 3_600_000
    return n


def recent_charges(world: World, task_type: str) -> int:
    """Deaths of the last minute that a task_type was charged with."""
    if world.now > world.charges_until:
        world.charges.clear()
    return sum(t == task_type and at >= world.now - 60_000 for (t, _), at in world.charges.items())


def _charge(world: World, task_type: str, me: str) -> None:
    if world.now > world.charges_until:
        world.charges.clear()
    world.charges = {pair: at for pair, at in world.charges.items() if at > world.now - 60_000}
    world.charges.setdefault((task_type, me), world.now)
    world.charges_until = world.now + 60_000
    if recent_charges(world, task_type) >= CHARGES_A_MINUTE:
        world.isolated_types[task_type] = world.now + 600_000


def recover(world: World, *arguments: str) -> Any:
    """Hand back what the silent have not renewed for a lease."""
    caller, is_full = arguments[0], arguments[2] == "1"
    touch(world)
    if world.claimed.get(caller) != "dead":
        world.beats[caller] = world.now
    if world.now < world.grace_until:
        return [0, 1]
    suspects = [
        name
        for name, at in sorted(world.beats.items(), key=lambda item: (item[1], item[0]))
        if at <= world.now - LEASE_MS
    ]
    if is_full:
        holders = {e.holder for entries in world.streams.values() for e in entries if e.holder}
        suspects += sorted(holders - {RETURNED} - world.beats.keys() - set(suspects))
    recovered = 0
    for name in suspects:
        handed = 0
        for stream in world.all_streams():
            for entry in world.pending(stream, name):
                if world.now - entry.delivered >= LEASE_MS:
                    handed += _hand_back(world, entry, "lost") != "drop"
        if handed:
            world.claimed[name] = "dead"
        recovered += handed
        if not any(world.pending(stream, name) for stream in world.all_streams()):
            world.beats.pop(name, None)
    return [recovered, 0]


def rows(flat: Sequence[str], width: int) -> list[Sequence[str]]:
    """Arguments, item by item."""
    return [flat[at : at + width] for at in range(0, len(flat), width)]
