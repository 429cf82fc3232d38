"""Tasks that depend on one another, put together to workflows.

Nothing is stored of a workflow: it is what hangs together by ``depends_on``. Which there are is seen
from the newest tasks; a single one is walked from any of its tasks, to parents of any age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from shoal.broker.results import Inspected
from shoal.model.identity import partition_of
from shoal.model.task import format_time
from shoal.model.transitions import State
from shoal.task_view import created_at, depends_on

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

#: Of each state so many tasks, the newest, are looked at for the list.
LOOKED_AT = 300
#: The most tasks that one workflow is shown with.
MAX_TASKS = 5000
#: How many tasks are read at once.
_SLICE = 500


class Node(NamedTuple):
    """A task of a workflow; what is gone by now has only its id."""

    id: str
    type: str
    state: str
    parents: tuple[str, ...]


async def recent(broker: Broker) -> dict[str, Node]:
    """The newest tasks that depend on others, by id."""
    ids: dict[str, None] = {}
    for state in State:
        page = await broker.list_tasks(state, limit=LOOKED_AT)
        ids.update(dict.fromkeys(row.id for row in page.rows))
    found = await _read(broker, ids)
    return {node.id: node for node in found if node.parents}


async def walk(broker: Broker, start: str, newest: Mapping[str, Node]) -> tuple[list[Node], bool]:
    """All tasks of the workflow that a task belongs to, and whether that was too many to show.

    Args:
        broker: Connected.
        start: Its id.
        newest: Of :func:`recent`: who depends on whom is seen from the child.
    """
    children: dict[str, list[str]] = {}
    for node in newest.values():
        for parent in node.parents:
            children.setdefault(parent, []).append(node.id)
    seen: dict[str, Node] = {}
    waiting: dict[str, None] = {start: None}
    while waiting and len(seen) < MAX_TASKS:
        batch = list(waiting)[: min(_SLICE, MAX_TASKS - len(seen))]
        for task_id in batch:
            del waiting[task_id]
        for node in await _read(broker, batch, gone=True):
            seen[node.id] = node
            near = (*node.parents, *children.get(node.id, ()))
            waiting.update(dict.fromkeys(i for i in near if i not in seen))
    return list(seen.values()), bool(waiting)


def together(nodes: Mapping[str, Node]) -> list[dict[str, Any]]:
    """What hangs together, the newest first: name, number of tasks by state, types."""
    leader: dict[str, str] = {}

    def lead(task_id: str) -> str:
        while leader.setdefault(task_id, task_id) != task_id:
            leader[task_id] = leader[leader[task_id]]
            task_id = leader[task_id]
        return task_id

    for node in nodes.values():
        for parent in node.parents:
            leader[lead(parent)] = lead(node.id)
    groups: dict[str, list[Node]] = {}
    for node in nodes.values():
        groups.setdefault(lead(node.id), []).append(node)
    rows = [_row(members) for members in groups.values()]
    return sorted(rows, key=lambda row: str(row["newest"]), reverse=True)


def _row(members: list[Node]) -> dict[str, Any]:
    parents = {parent for node in members for parent in node.parents}
    last = max(node.id for node in members if node.id not in parents)
    own = {node.id for node in members}
    return {
        # The one at its end: a walk from there finds all before it, however old.
        "id": last,
        "type": next(node.type for node in members if node.id == last),
        "tasks": len(own | parents),
        "states": dict(Counter(node.state for node in members)),
        # Of those that depend on nothing only their number is known here.
        "roots": len(parents - own),
        "newest": format_time(created_at(last)),
    }


async def _read(broker: Broker, ids: Iterable[str], *, gone: bool = False) -> list[Node]:
    wanted = list(ids)
    known = [task_id for task_id in wanted if partition_of(task_id) < broker.partitions]
    nodes = [_node(task) for task in await broker.inspect(known) if task is not None]
    if gone:
        there = {node.id for node in nodes}
        nodes += [Node(task_id, "", "", ()) for task_id in wanted if task_id not in there]
    return nodes


def _node(task: Inspected) -> Node:
    return Node(task.id, task.fields.get("type", b"").decode(), task.state, depends_on(task.fields))
