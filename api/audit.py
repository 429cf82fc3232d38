"""What operators do goes into the audit log: the front writes it once the handler has answered."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from shoal.api.state import PRINCIPAL, ApiState
from shoal.broker.audit import AuditLog, AuditRecord
from shoal.errors import ShoalError
from shoal.telemetry.logs import logger

#: What a handler says about what it did.
DETAIL = web.RequestKey("audit_detail", dict[str, Any])


def note(request: web.Request, **detail: Any) -> None:
    """Say more of what is done: counts, filters. Never payloads."""
    request.setdefault(DETAIL, {}).update(detail)


async def write(state: ApiState, request: web.Request, action: str, outcome: str) -> None:
    """Write it; that it can't be is logged, and changes no answer: what was done is done.

    Args:
        state: Of the process.
        request: Its path's variables are the target, its principal is who did it.
        action: Of the endpoint.
        outcome: ``done``, or a problem's code.
    """
    info = request.match_info
    detail = {**request.query, **request.get(DETAIL, {})}
    record = AuditRecord(
        who=request[PRINCIPAL].name,
        action=action,
        target=" ".join(info.values()),
        outcome=outcome,
        address=state.addresses.of(request),
        detail={name: _short(value) for name, value in detail.items()},
    )
    try:
        await AuditLog(state.gateway.connection.broker).add(record)
    except ShoalError as error:
        logger.bind(who=record.who, action=action, target=record.target, outcome=outcome).warning(
            "the audit log can't be written: {}", error
        )


def _short(value: Any) -> Any:
    return value[:400] if isinstance(value, str) else value
