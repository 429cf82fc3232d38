"""Workflows, for the dashboard: which there are, and one with all of its tasks."""

from __future__ import annotations

import msgspec
from aiohttp import web

from shoal.api.problems import Problem
from shoal.api.query import only
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.api.workflows import together, walk
from shoal.errors import TaskNotFound
from shoal.model.identity import parse_task_id


async def workflows(request: web.Request) -> web.Response:
    """Those that the newest tasks belong to, the newest first."""
    only(request.query)
    found = await request.app[STATE].cluster.workflows.get()
    return respond(msgspec.json.encode({"workflows": together(found)}))


async def workflow(request: web.Request) -> web.Response:
    """The tasks of the one that this task belongs to, with what each depends on."""
    only(request.query)
    try:
        task_id = parse_task_id(request.match_info["id"])
    except ValueError as error:
        raise Problem("invalid_id", str(error)) from None
    state = request.app[STATE]
    nodes, is_cut = await walk(
        state.gateway.connection.broker, task_id, await state.cluster.workflows.get()
    )
    if len(nodes) == 1 and not nodes[0].state:
        raise TaskNotFound(f"no task has the id {task_id}, or its retention has passed")
    document = {"tasks": [node._asdict() for node in nodes], "cut": is_cut}
    return respond(msgspec.json.encode(document))
