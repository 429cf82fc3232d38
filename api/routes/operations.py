"""Moves of many tasks as operations: begun, looked at, stopped. ``/api/v1/operations``."""

from __future__ import annotations

import uuid

import msgspec
from aiohttp import web

from shoal.api import audit
from shoal.api.bodies import OperationBody, invalid, read_body, selection_of
from shoal.api.problems import Problem
from shoal.api.query import whole
from shoal.api.responses import respond
from shoal.api.state import PRINCIPAL, STATE
from shoal.broker.bulk import BulkOperation
from shoal.broker.tracked import OperationRecord, OperationStore, Tracked
from shoal.model.pace import check_rate
from shoal.model.role import Role
from shoal.model.selection import BulkVerb, Selection, check_operation_id

_MAX_REASON_CHARS = 200


async def begin(request: web.Request) -> web.Response:
    """Begin one; 202, and how far it is stands at its address."""
    body = await read_body(request, OperationBody)
    try:
        verb = BulkVerb(body.verb.lower())
    except ValueError:
        raise invalid("verb", f"must be one of {', '.join(BulkVerb)}") from None
    if verb is BulkVerb.DELETE:
        # What is deleted does not come back.
        request[PRINCIPAL].check(Role.ADMIN, None)
    if not 0 < len(body.reason) <= _MAX_REASON_CHARS or not body.reason.isprintable():
        raise invalid("reason", f"must be 1 to {_MAX_REASON_CHARS} printable characters")
    selection = selection_of(verb, body.task_ids, body.filter)
    return await open_operation(request, verb, selection, body.reason, body.id, body.rate)


async def open_operation(
    request: web.Request,
    verb: BulkVerb,
    selection: Selection,
    reason: str,
    wanted: str | None,
    rate: float | None,
) -> web.Response:
    """Make the operation known and let this process carry it out.

    Raises:
        Problem: ``operation_conflict``: the id stands for another one.
    """
    state = request.app[STATE]
    try:
        operation_id = check_operation_id(wanted or f"op-{uuid.uuid4().hex[:12]}")
    except ValueError as error:
        raise invalid("id", str(error)) from None
    broker = state.gateway.connection.broker
    try:
        check_rate(verb, rate)
    except ValueError as error:
        raise invalid("rate", str(error)) from None
    # Whatever is wrong with it is said now, not by the runner.
    BulkOperation(broker, verb, operation_id, selection, reason=reason)
    by = request[PRINCIPAL].name
    record = OperationRecord(
        id=operation_id, verb=verb, selection=selection, reason=reason, by=by, rate=rate
    )
    store = OperationStore(broker)
    audit.note(request, operation=operation_id, verb=verb.value, ids=len(selection.ids))
    if await store.open(record) == "conflict":
        raise Problem(
            "operation_conflict",
            f"The id {operation_id} stands for another operation; use a new one.",
        )
    tracked = await store.find(operation_id)
    if tracked is None:
        raise _unknown(operation_id)
    audit.note(request, selection=tracked.to_json()["selection"])
    state.operations.start(tracked.record)
    return _answer(tracked, 202, {"Location": f"/api/v1/operations/{operation_id}"})


async def newest(request: web.Request) -> web.Response:
    """The newest of the last days."""
    # A record may name 10,000 ids: no more of them at once.
    limit = whole(request.query, "limit", 20, 1, 50)
    found = await _store(request).newest(limit)
    return respond(msgspec.json.encode({"operations": [one.to_json() for one in found]}))


async def one(request: web.Request) -> web.Response:
    """How far one is."""
    operation_id = request.match_info["id"]
    tracked = await _store(request).find(operation_id)
    if tracked is None:
        raise _unknown(operation_id)
    return _answer(tracked)


async def stop(request: web.Request) -> web.Response:
    """Let it stop after its next step; what is done stays done. Begun again with its id it goes on."""
    operation_id = request.match_info["id"]
    store = _store(request)
    if await store.stop(operation_id) is None:
        raise _unknown(operation_id)
    tracked = await store.find(operation_id)
    if tracked is None:
        raise _unknown(operation_id)
    return _answer(tracked, 202)


def _store(request: web.Request) -> OperationStore:
    return OperationStore(request.app[STATE].gateway.connection.broker)


def _answer(
    tracked: Tracked, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return respond(msgspec.json.encode(tracked.to_json()), status, headers)


def _unknown(operation_id: str) -> Problem:
    return Problem(
        "operation_not_found",
        f"There is no operation {operation_id!r:.80}, or it is over for a day.",
    )
