"""``POST /api/v1/tasks`` and ``POST /api/v1/tasks/batch``."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from aiohttp import web

from shoal.api import idempotency
from shoal.api.gateway import Connection
from shoal.api.limits import ENVELOPE_BYTES, MAX_BATCH_BYTES, read_json
from shoal.api.problems import Problem, problem_of
from shoal.api.responses import respond
from shoal.api.schema import TaskReader
from shoal.api.state import PRINCIPAL, STATE, ApiState
from shoal.clock import mono_s
from shoal.errors import BrokerUnavailable, PartitionPaused, ShoalError
from shoal.graph_submitter import Member, bind, submit_graph
from shoal.model.transitions import State
from shoal.round_trips import MAX_TASKS_PER_FLUSH, Item
from shoal.submission import Plan

#: Items of a batch that are read between two looks at what else there is to do.
_READ_AT_ONCE = 100


_NOTHING: Mapping[str, str] = {}
Read = Item | Problem
Result = str | Exception


async def submit(request: web.Request) -> web.Response:
    """Accept one task."""
    state = request.app[STATE]
    body = await read_json(request, state.settings.task.max_payload_bytes + ENVELOPE_BYTES)
    plan, spec = state.reader.one(body)
    connection = state.gateway.connection
    key = idempotency.key_of(request, body)
    headers = await state.limit.take(request[PRINCIPAL], 1) if state.limit.is_on else _NOTHING
    with state.occupancy.taking(len(body)):
        if key is not None:
            task_id, word = await _submit_once(connection, key, plan, spec)
        elif plan.unique_key is not None:
            task_id, word = await _submit_unique(connection, plan, spec)
        else:
            task_id = await connection.submitter.one(plan, spec)
            word = await _state_of_new(connection, plan, task_id)
    state.http.accepted(plan.type, plan.priority)
    headers = {"Location": f"/api/v1/tasks/{task_id}", **headers}
    return respond(_accepted(task_id, word), 202, headers)


async def submit_batch(request: web.Request) -> web.Response:
    """Accept up to 1,000 tasks, each by itself."""
    state = request.app[STATE]
    body = await read_json(request, MAX_BATCH_BYTES)
    tasks = state.reader.batch(body)
    connection = state.gateway.connection
    key = idempotency.key_of(request, body)
    limit = state.limit
    headers = await limit.take(request[PRINCIPAL], len(tasks)) if limit.is_on else _NOTHING
    with state.occupancy.taking(len(body)):
        members = await _read(state.reader, tasks)
        if key is None:
            items, graph = _bound(connection, members, None)
            items = [_with_own_id(connection, item) for item in items]
            results, is_repeated = await _submit_each(connection, items, graph), False
        else:
            held, is_new = await _hold_batch(connection, key)
            items, graph = _bound(connection, members, held.id)
            items = [_with_nth_id(connection, held.id, n, item) for n, item in enumerate(items)]
            is_repeated = not is_new
            if held.is_stored:
                results = [i if isinstance(i, Problem) else i[0].task_id or "" for i in items]
            else:
                results = await _submit_each(connection, items, graph)
                if not any(isinstance(result, ShoalError) for result in results):
                    await idempotency.mark_stored(connection, key)
        words = await _states(connection, items, results, is_repeated=is_repeated)
    _refuse_whole(results)
    return _batch_answer(state, items, results, words, headers)


async def _read(reader: TaskReader, tasks: Sequence[bytes]) -> list[Member | Problem]:
    items: list[Member | Problem] = []
    for place, raw in enumerate(tasks):
        if place % _READ_AT_ONCE == _READ_AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            items.append(reader.item(raw))
        except Problem as problem:
            items.append(problem)
    return items


async def _submit_unique(connection: Connection, plan: Plan, spec: bytes) -> tuple[str, str | None]:
    """Submit a task with a unique key; the id and state of the one that holds it."""
    submitter = connection.submitter
    own_id = submitter.new_id(submitter.partition_of_key(plan.unique_key or ""))
    task_id = await submitter.one(plan._replace(task_id=own_id), spec)
    if task_id == own_id:
        return task_id, await _state_of_new(connection, plan, task_id)
    return task_id, await _state_of(connection, task_id)


async def _submit_once(
    connection: Connection, key: idempotency.Key, plan: Plan, spec: bytes
) -> tuple[str, str | None]:
    """Submit what an idempotency key stands for; the task's id and state."""
    submitter = connection.submitter
    if plan.unique_key is None:
        partition = submitter.partition_for(plan)
    else:
        partition = submitter.partition_of_key(plan.unique_key)
    new_id = submitter.new_id(partition)
    held = await idempotency.hold(connection, key, new_id)
    if held.is_stored:
        return held.id, await _state_of(connection, held.id)
    task_id = await submitter.one(plan._replace(task_id=held.id), spec)
    await idempotency.mark_stored(connection, key)
    if held.id == new_id == task_id:
        return task_id, await _state_of_new(connection, plan, task_id)
    return task_id, await _state_of(connection, task_id)


async def _hold_batch(
    connection: Connection, key: idempotency.Key
) -> tuple[idempotency.Held, bool]:
    """What a batch's key stands for: the id from which those of its tasks follow."""
    submitter = connection.submitter
    partition = submitter.next_partition() % connection.broker.agreed.key_partitions
    new_id = submitter.new_id(partition)
    held = await idempotency.hold(connection, key, new_id)
    return held, held.id == new_id


def _with_own_id(connection: Connection, item: Read) -> Read:
    """A task with a unique key gets its id here, so that one that stood before is known by its own."""
    if isinstance(item, Problem) or item[0].unique_key is None or item[0].task_id is not None:
        return item
    plan, spec = item
    submitter = connection.submitter
    own_id = submitter.new_id(submitter.partition_of_key(plan.unique_key or ""))
    return plan._replace(task_id=own_id), spec


def _with_nth_id(connection: Connection, first: str, place: int, item: Read) -> Read:
    if isinstance(item, Problem):
        return item
    plan, spec = item
    if plan.task_id is not None:
        return item
    if plan.unique_key is None:
        # Over a number of partitions that never changes, so that a repetition finds the same.
        partitions = connection.broker.agreed.key_partitions
        partition = idempotency.spread(first, place, partitions, MAX_TASKS_PER_FLUSH)
    else:
        partition = connection.submitter.partition_of_key(plan.unique_key)
    return plan._replace(task_id=idempotency.nth_id(first, place, partition)), spec


def _bound(
    connection: Connection, members: Sequence[Member | Problem], first: str | None
) -> tuple[list[Read], list[int]]:
    """The batch with the ids of those that name one another, and the places of these, parents first.

    Args:
        connection: Whose partitions.
        members: As they were read.
        first: With an idempotency key, the id from which all ids follow.
    """
    items: list[Read] = [m if isinstance(m, Problem) else (m.plan, m.spec) for m in members]
    if not any(isinstance(m, Member) and m.needs for m in members):
        return items, []
    submitter = connection.submitter

    def partition_of_graph(place: int, plan: Plan) -> int:
        if first is None:
            return submitter.partition_for(plan)
        partitions = connection.broker.agreed.key_partitions
        return idempotency.spread(first, place, partitions, MAX_TASKS_PER_FLUSH)

    def new_id(place: int, plan: Plan, partition: int) -> str:
        if plan.unique_key is not None:
            partition = submitter.partition_of_key(plan.unique_key)
        if first is None:
            return submitter.new_id(partition)
        return idempotency.nth_id(first, place, partition)

    sound = [None if isinstance(m, Problem) else m for m in members]
    bound = bind(sound, partition_of_graph, new_id)
    for place, item in bound.items.items():
        items[place] = item
    for place, error in bound.faults.items():
        message = str(error).removeprefix("depends_on: ")
        errors = [{"path": "depends_on", "message": message}]
        items[place] = Problem("invalid_task", str(error), errors=errors)
    return items, bound.graph


async def _submit_each(
    connection: Connection, items: Sequence[Read], graph: Sequence[int]
) -> list[Result]:
    """Submit those that are sound: those of ``graph`` in its order, then the others."""
    submitter = connection.submitter
    results: list[Result] = [item if isinstance(item, Problem) else "" for item in items]
    deadline_s = mono_s() + submitter.patience_s
    connected = [item for n in graph if not isinstance(item := items[n], Problem)]
    for place, result in zip(
        graph, await submit_graph(submitter, connected, deadline_s), strict=True
    ):
        results[place] = result
    in_graph = set(graph)
    alone = [
        n for n, item in enumerate(items) if n not in in_graph and not isinstance(item, Problem)
    ]
    sent = [item for n in alone if not isinstance(item := items[n], Problem)]
    for place, result in zip(alone, await submitter.each(sent), strict=True):
        results[place] = result
    return results


async def _state_of_new(connection: Connection, plan: Plan, task_id: str) -> str | None:
    """The state of a task that was accepted just now; what depends on others is looked up."""
    return await _state_of(connection, task_id) if plan.depends_on else _first_state(plan)


def _first_state(plan: Plan) -> str:
    """The state of a task that was accepted just now."""
    if plan.delay_s or (plan.due_s is not None and plan.due_s > time.time()):
        return State.SCHEDULED.value
    return State.PENDING.value


async def _state_of(connection: Connection, task_id: str) -> str | None:
    """The state of a task that stood before; ``None``: it is gone, or Redis is, just now."""
    return (await _read_states(connection, [task_id])).get(task_id)


async def _read_states(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    try:
        rows = await connection.broker.inspect(ids)
    except (BrokerUnavailable, PartitionPaused):
        return {}  # what is asked about has been accepted, and that is the answer
    return {row.id: row.state for row in rows if row is not None}


async def _states(
    connection: Connection,
    items: Sequence[Read],
    results: Sequence[Result],
    *,
    is_repeated: bool,
) -> list[str | None]:
    """The state of each task; those that may have stood before are looked up."""
    words: list[str | None] = []
    asked: dict[int, str] = {}
    for place, (item, result) in enumerate(zip(items, results, strict=True)):
        if isinstance(item, Problem) or not isinstance(result, str):
            words.append(None)
            continue
        plan = item[0]
        words.append(_first_state(plan))
        if is_repeated or plan.depends_on or (plan.task_id is not None and plan.task_id != result):
            asked[place] = result
    if asked:
        found = await _read_states(connection, list(asked.values()))
        for place, task_id in asked.items():
            words[place] = found.get(task_id)
    return words


def _refuse_whole(results: Sequence[Result]) -> None:
    """When Redis is away, so is the answer for each: then it is one answer, and one 503.

    Raises:
        BrokerUnavailable: No task was accepted, and each because of that.
    """
    away = [result for result in results if isinstance(result, BrokerUnavailable)]
    if away and len(away) == len(results):
        ids = [task_id for error in away for task_id in error.ids]
        raise BrokerUnavailable(str(away[0]), outcome_unknown=bool(ids), ids=ids)


def _accepted(task_id: str, word: str | None) -> bytes:
    if word is None:
        return b'{"task_id":"%s","state":null}' % task_id.encode()
    return b'{"task_id":"%s","state":"%s"}' % (task_id.encode(), word.encode())


def _batch_answer(
    state: ApiState,
    items: Sequence[Read],
    results: Sequence[Result],
    words: Sequence[str | None],
    headers: Mapping[str, str],
) -> web.Response:
    parts: list[bytes] = []
    counted: Counter[tuple[str, int]] = Counter()
    for item, result, word in zip(items, results, words, strict=True):
        if isinstance(result, str) and not isinstance(item, Problem):
            parts.append(_accepted(result, word))
            counted[item[0].type, item[0].priority] += 1
        else:
            assert isinstance(result, Exception)  # noqa: S101 - an id has an item
            parts.append(problem_of(result).encode())
    for (type_, priority), number in counted.items():
        state.http.accepted(type_, priority, number)
    accepted = counted.total()
    body = b'{"results":[%s],"accepted":%d,"rejected":%d}' % (
        b",".join(parts),
        accepted,
        len(results) - accepted,
    )
    return respond(body, 202, headers)
