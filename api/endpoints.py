"""Every address: its method, its handler, and the least role it needs. The one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from shoal.api.auth import Role
from shoal.api.routes import admin, health, submit, tasks

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address."""

    method: str
    path: str
    handler: Handler
    #: ``None`` = open to everybody.
    role: Role | None
    #: Whether it may take long because it was asked to.
    may_wait: bool = False


#: On both ports.
HEALTH = (
    Endpoint("GET", "/health", health.health, None),
    Endpoint("GET", "/livez", health.livez, None),
    Endpoint("GET", "/readyz", health.readyz, None),
    # Open when SHOAL_METRICS_PUBLIC says so.
    Endpoint("GET", "/metrics", health.prometheus, Role.VIEWER),
)

#: On API_PORT.
PUBLIC = (
    Endpoint("POST", "/api/v1/tasks", submit.submit, Role.SUBMITTER),
    Endpoint("POST", "/api/v1/tasks/batch", submit.submit_batch, Role.SUBMITTER),
    Endpoint("GET", "/api/v1/tasks", tasks.list_tasks, Role.VIEWER),
    Endpoint("GET", "/api/v1/tasks/{id}", tasks.get_task, Role.VIEWER, may_wait=True),
    Endpoint("DELETE", "/api/v1/tasks/{id}", tasks.cancel_task, Role.SUBMITTER),
    *HEALTH,
)

#: On ADMIN_PORT.
ADMIN = (
    Endpoint("GET", "/admin/workers", admin.workers, Role.ADMIN),
    Endpoint("GET", "/admin/queues", admin.queues, Role.ADMIN),
    *HEALTH,
)
