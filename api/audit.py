"""What operators do goes into the audit log: the front writes it once the handler has answered."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from shoal.api.gateway import Gateway
from shoal.api.principal import Principal
from shoal.broker.audit import AuditLog, AuditRecord
from shoal.errors import ShoalError
from shoal.telemetry.logs import logger

#: What a handler says about what it did.
DETAIL = web.RequestKey("audit_detail", dict[str, Any])


def note(request: web.Request, **detail: Any) -> None:
    """Say more of what is done: counts, filters. Never payloads."""
    request.setdefault(DETAIL, {}).update(detail)


async def write(
    gateway: Gateway, request: web.Request, action: str, principal: Principal, outcome: str
) -> None:
    """Write it; that it can't be is logged, and changes no answer: what was done is done.

    Args:
        gateway: To Redis.
        request: Its path's variables are the target.
        action: Of the endpoint.
        principal: Who.
        outcome: ``done``, or a problem's code.
    """
    info = request.match_info
    detail = {**request.query, **request.get(DETAIL, {})}
    record = AuditRecord(
        who=principal.name,
        action=action,
        target=" ".join(info.values()),
        outcome=outcome,
        address=request.remote or "",
        detail={name: _short(value) for name, value in detail.items()},
    )
    try:
        await AuditLog(gateway.connection.broker).add(record)
    except ShoalError as error:
        logger.bind(who=record.who, action=action, target=record.target, outcome=outcome).warning(
            "the audit log can't be written: {}", error
        )


def _short(value: Any) -> Any:
    return value[:400] if isinstance(value, str) else value
