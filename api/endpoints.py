"""Every address: its method, its handler, the least role and the scope it needs. The one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from shoal.api.routes import admin, health, session, submit, tasks
from shoal.model.role import Role, Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address."""

    method: str
    path: str
    handler: Handler
    #: ``None`` = open to everybody.
    role: Role | None
    #: Which part of the API it is; ``None`` = whatever scopes a key has.
    scope: Scope | None = None
    #: Whether it may take long because it was asked to.
    may_wait: bool = False


#: Open, whoever asks.
HEALTH = (
    Endpoint("GET", "/health", health.health, None),
    Endpoint("GET", "/livez", health.livez, None),
    Endpoint("GET", "/readyz", health.readyz, None),
    # Open when SHOAL_METRICS_PUBLIC says so.
    Endpoint("GET", "/metrics", health.prometheus, Role.VIEWER, Scope.STATS),
)

TASKS = (
    Endpoint("POST", "/api/v1/tasks", submit.submit, Role.SUBMITTER, Scope.TASKS),
    Endpoint("POST", "/api/v1/tasks/batch", submit.submit_batch, Role.SUBMITTER, Scope.TASKS),
    Endpoint("GET", "/api/v1/tasks", tasks.list_tasks, Role.VIEWER, Scope.TASKS),
    Endpoint("GET", "/api/v1/tasks/{id}", tasks.get_task, Role.VIEWER, Scope.TASKS, may_wait=True),
    Endpoint("DELETE", "/api/v1/tasks/{id}", tasks.cancel_task, Role.SUBMITTER, Scope.TASKS),
)

SESSION = (
    Endpoint("POST", "/api/v1/session", session.log_in, None),
    Endpoint("DELETE", "/api/v1/session", session.log_out, None),
    Endpoint("GET", "/api/v1/session", session.who_am_i, Role.VIEWER),
    Endpoint("POST", "/api/v1/ws-tickets", session.issue_ticket, Role.VIEWER, Scope.EVENTS),
)

#: On API_PORT.
PUBLIC = (*TASKS, *SESSION, *HEALTH)

#: What only ADMIN_PORT has.
OPERATORS = (
    Endpoint("GET", "/admin/workers", admin.workers, Role.OPERATOR, Scope.WORKERS),
    Endpoint("GET", "/admin/queues", admin.queues, Role.OPERATOR, Scope.QUEUES),
)

#: On ADMIN_PORT: also all that clients have, so that a page from there needs no other address.
ADMIN = (*OPERATORS, *PUBLIC)
