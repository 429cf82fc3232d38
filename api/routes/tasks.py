"""Tasks by id and in lists: ``GET`` and ``DELETE /api/v1/tasks/{id}``, ``GET /api/v1/tasks``."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from shoal.api.gateway import Connection
from shoal.api.limits import MAX_WAITS
from shoal.api.listing import Listing, read_page
from shoal.api.problems import Problem
from shoal.api.responses import respond
from shoal.api.state import STATE, ApiState
from shoal.api.views import document_of
from shoal.broker.results import Inspected
from shoal.errors import TaskNotCancellable, TaskNotFound
from shoal.model.duration import parse_duration
from shoal.model.identity import parse_task_id
from shoal.model.transitions import TERMINAL, State

#: The longest a request may wait for a task's end, in seconds.
MAX_WAIT_S = 60.0
#: How often a wait looks whether the client is still there, in seconds.
_LOOK_S = 1.0
#: Why a task is CANCELLED that a client cancelled.
_REASON = "requested"


def _task_id(request: web.Request) -> str:
    try:
        return parse_task_id(request.match_info["id"])
    except ValueError as error:
        raise Problem("invalid_id", str(error)) from None


async def get_task(request: web.Request) -> web.Response:
    """One task; with ``?wait=`` not before it has ended, or that time is over."""
    state = request.app[STATE]
    task_id = _task_id(request)
    wait_s = _wait_s(request)
    connection = state.gateway.connection
    task = await connection.broker.inspect_one(task_id)
    if wait_s and State(task.state) not in TERMINAL:
        task = await _ended(request, state, connection, task, wait_s)
    return respond(msgspec.json.encode(document_of(task, state)))


def _wait_s(request: web.Request) -> float:
    text = request.query.get("wait")
    if text is None:
        return 0.0
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise Problem("invalid_parameter", f"wait: {error}") from None
    if seconds > MAX_WAIT_S:
        raise Problem("invalid_parameter", f"wait: must be at most {MAX_WAIT_S:g} s")
    return seconds


async def _ended(
    request: web.Request, state: ApiState, connection: Connection, task: Inspected, wait_s: float
) -> Inspected:
    """The task once it has ended; as it stands, when the time is over before."""
    occupancy = state.occupancy
    if occupancy.waits >= MAX_WAITS:
        return task
    occupancy.waits += 1
    loop = asyncio.get_running_loop()
    ended = asyncio.ensure_future(connection.results.ended(task.id))
    stopping = asyncio.ensure_future(state.stopping.wait())
    deadline_s = loop.time() + wait_s
    try:
        while not ended.done() and not stopping.done():
            left_s = deadline_s - loop.time()
            transport = request.transport
            if left_s <= 0 or transport is None or transport.is_closing():
                break
            await asyncio.wait(
                {ended, stopping},
                timeout=min(left_s, _LOOK_S),
                return_when=asyncio.FIRST_COMPLETED,
            )
        if ended.done():
            return ended.result()
    finally:
        occupancy.waits -= 1
        ended.cancel()
        stopping.cancel()
    return await connection.broker.inspect_one(task.id)


async def cancel_task(request: web.Request) -> web.Response:
    """Cancel a task: at once when it waits, by request when it runs."""
    task_id = _task_id(request)
    connection = request.app[STATE].gateway.connection
    [answer] = await connection.broker.cancel([task_id], _REASON)
    if answer.status == "not_found":
        raise TaskNotFound(f"no task has the id {task_id}, or its retention has passed")
    if answer.status == "terminal":
        raise TaskNotCancellable(f"task {task_id} is {answer.state} already", state=answer.state)
    document: dict[str, Any] = {"task_id": task_id, "cancelled": answer.status == "cancelled"}
    if answer.status == "requested":
        document["cancel_requested"] = True
    document["state"] = answer.state
    return respond(msgspec.json.encode(document), 200 if answer.status == "cancelled" else 202)


async def list_tasks(request: web.Request) -> web.Response:
    """A page of tasks, newest first."""
    state = request.app[STATE]
    listing = Listing.parse(request.query)
    page = await read_page(state, listing)
    return respond(msgspec.json.encode(page))
