"""The dead letter queue, for operators, and single tasks. ``/admin/dlq``, ``/admin/tasks``."""

from __future__ import annotations

import dataclasses
import uuid

import msgspec
from aiohttp import web

from shoal.api import audit
from shoal.api.bodies import RetryBody, read_body, selection_of
from shoal.api.listing import Listing, read_page
from shoal.api.problems import Problem
from shoal.api.query import only, whole, wrong
from shoal.api.responses import respond
from shoal.api.routes.operations import open_operation
from shoal.api.state import STATE
from shoal.broker.queue_operations import GROUPED
from shoal.errors import TaskNotFound, TaskNotRequeueable
from shoal.model.identity import parse_task_id
from shoal.model.selection import BulkVerb
from shoal.model.transitions import State

#: Of how many tasks of a partition groups may be counted.
MAX_GROUPED = 1_000_000
_PARAMETERS = frozenset({"type", "limit", "offset", "cursor", "include"})
#: Why a task can't be requeued, for people.
_REFUSED = {
    "completed": "It is COMPLETED; submit a copy instead (shoal duplicate).",
    "active": "It has not ended.",
    "key_taken": "Another task holds its unique key by now.",
    "forgotten": "Its payload was not kept.",
}


async def dead(request: web.Request) -> web.Response:
    """A page of DEAD tasks with their errors, newest first."""
    if unknown := sorted(set(request.query) - _PARAMETERS):
        known = ", ".join(sorted(_PARAMETERS))
        raise wrong(f"There is no parameter {unknown[0]!r:.80}; there are {known}.")
    listing = Listing.parse(request.query)
    listing = dataclasses.replace(
        listing, states=(State.DEAD,), include=listing.include | {"error"}
    )
    return respond(msgspec.json.encode(await read_page(request.app[STATE], listing)))


async def groups(request: web.Request) -> web.Response:
    """What they died of: by type, reason and fingerprint, the largest group first."""
    only(request.query, "most")
    most = whole(request.query, "most", GROUPED, 1, MAX_GROUPED)
    found = await request.app[STATE].gateway.connection.broker.dead_groups(most)
    documents = [group.to_json() for group in found.groups]
    return respond(msgspec.json.encode({"groups": documents, "counted": found.counted}))


async def retry(request: web.Request) -> web.Response:
    """Make DEAD tasks ready again, by ids or by filter, as an operation."""
    body = await read_body(request, RetryBody)
    selection = selection_of(BulkVerb.REQUEUE, body.task_ids, body.filter, (State.DEAD,))
    if any(state is not State.DEAD for state in selection.states):
        raise Problem("invalid_body", "Only DEAD tasks are here; see /api/v1/operations.")
    return await open_operation(
        request, BulkVerb.REQUEUE, selection, "requested", body.id, body.rate
    )


async def retry_one(request: web.Request) -> web.Response:
    """Make one DEAD, FAILED or CANCELLED task ready again; its attempts are counted anew."""
    only(request.query)
    try:
        task_id = parse_task_id(request.match_info["id"])
    except ValueError as error:
        raise Problem("invalid_id", str(error)) from None
    broker = request.app[STATE].gateway.connection.broker
    [answer] = await broker.requeue([task_id], f"op-{uuid.uuid4().hex[:12]}")
    if answer.status == "not_found":
        raise TaskNotFound(f"no task has the id {task_id}, or its retention has passed")
    if why := _REFUSED.get(answer.status):
        raise TaskNotRequeueable(why, state=answer.state)
    audit.note(request, was=answer.state)
    document = {"task_id": task_id, "requeued": True, "was": answer.state, "state": "PENDING"}
    return respond(msgspec.json.encode(document))
