"""Every address: its method, its handler, the least role and the scope it needs. The one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from shoal.api.routes import (
    admin,
    config,
    dashboard,
    dlq,
    docs,
    health,
    live,
    operations,
    queues,
    schedules,
    session,
    site,
    submit,
    system,
    tasks,
    workers,
    workflows,
)
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
    #: What it is called in the audit log; empty = it is not written there.
    action: str = ""
    #: Whether a ticket in the address may stand for a key.
    takes_ticket: bool = False


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

OPERATIONS = (
    Endpoint(
        "POST", "/api/v1/operations", operations.begin, Role.OPERATOR, Scope.OPERATIONS,
        action="operation.begin",
    ),
    Endpoint("GET", "/api/v1/operations", operations.newest, Role.VIEWER, Scope.OPERATIONS),
    Endpoint("GET", "/api/v1/operations/{id}", operations.one, Role.VIEWER, Scope.OPERATIONS),
    Endpoint(
        "POST", "/api/v1/operations/{id}/stop", operations.stop, Role.OPERATOR, Scope.OPERATIONS,
        action="operation.stop",
    ),
)  # fmt: skip

SCHEDULES = (
    Endpoint("GET", "/api/v1/schedules", schedules.list_all, Role.VIEWER, Scope.SCHEDULES),
    Endpoint(
        "POST", "/api/v1/schedules", schedules.add, Role.OPERATOR, Scope.SCHEDULES,
        action="schedule.add",
    ),
    Endpoint("GET", "/api/v1/schedules/{id}", schedules.one, Role.VIEWER, Scope.SCHEDULES),
    Endpoint(
        "PUT", "/api/v1/schedules/{id}", schedules.change, Role.OPERATOR, Scope.SCHEDULES,
        action="schedule.change",
    ),
    Endpoint(
        "DELETE", "/api/v1/schedules/{id}", schedules.remove, Role.OPERATOR, Scope.SCHEDULES,
        action="schedule.remove",
    ),
    Endpoint(
        "POST", "/api/v1/schedules/{id}/pause", schedules.pause, Role.OPERATOR, Scope.SCHEDULES,
        action="schedule.pause",
    ),
    Endpoint(
        "POST", "/api/v1/schedules/{id}/resume", schedules.resume, Role.OPERATOR, Scope.SCHEDULES,
        action="schedule.resume",
    ),
    Endpoint(
        "POST", "/api/v1/schedules/{id}/trigger", schedules.trigger, Role.OPERATOR,
        Scope.SCHEDULES, action="schedule.trigger",
    ),
)  # fmt: skip

DOCS = (
    Endpoint("GET", "/openapi.json", docs.openapi, Role.VIEWER),
    # The page alone says nothing; it asks for a key when the document needs one.
    Endpoint("GET", "/docs", docs.page, None),
)

LIVE = (
    Endpoint("GET", "/ws", live.websocket, Role.VIEWER, Scope.EVENTS, takes_ticket=True),
    Endpoint("GET", "/api/v1/events", live.events, Role.VIEWER, Scope.EVENTS),
    Endpoint("GET", "/api/v1/stats", live.stats, Role.VIEWER, Scope.STATS),
    Endpoint("GET", "/api/v1/series", live.series, Role.VIEWER, Scope.STATS),
)

_PAGES = "|".join(site.PAGES)
_DASHBOARD = "/api/v1/dashboard"
#: The dashboard: files that are open to everybody, and what its pages read with a key.
DASHBOARD = (
    Endpoint("GET", "/", site.page, None),
    Endpoint("GET", f"/{{page:(?:{_PAGES})}}", site.page, None),
    Endpoint("GET", f"/{{page:(?:{_PAGES})}}/{{item:[^/]+}}", site.page, None),
    Endpoint("GET", "/assets/{name}", site.asset, None),
    Endpoint("GET", f"{_DASHBOARD}/snapshot", dashboard.snapshot, Role.VIEWER, Scope.STATS),
    Endpoint("GET", f"{_DASHBOARD}/dead", dashboard.dead, Role.VIEWER, Scope.DLQ),
    Endpoint("GET", f"{_DASHBOARD}/schedules", dashboard.schedules, Role.VIEWER, Scope.SCHEDULES),
    Endpoint("GET", f"{_DASHBOARD}/cron", dashboard.ticks, Role.VIEWER, Scope.SCHEDULES),
    Endpoint("GET", f"{_DASHBOARD}/workflows", workflows.workflows, Role.VIEWER, Scope.TASKS),
    Endpoint("GET", f"{_DASHBOARD}/workflows/{{id}}", workflows.workflow, Role.VIEWER, Scope.TASKS),
    Endpoint("GET", f"{_DASHBOARD}/system", system.servers, Role.VIEWER, Scope.STATS),
    Endpoint("GET", f"{_DASHBOARD}/config", system.configuration, Role.ADMIN, Scope.CONFIG),
    Endpoint(
        "POST",
        f"{_DASHBOARD}/tasks/{{id}}/requeue",
        dashboard.requeue,
        Role.OPERATOR,
        Scope.TASKS,
        action="task.retry",
    ),
)

#: What only ADMIN_PORT has.
OPERATORS = (
    Endpoint("GET", "/admin/workers", workers.workers, Role.OPERATOR, Scope.WORKERS),
    Endpoint("GET", "/admin/workers/{id}", workers.worker, Role.OPERATOR, Scope.WORKERS),
    Endpoint(
        "POST", "/admin/workers/{id}/pause", workers.pause, Role.OPERATOR, Scope.WORKERS,
        action="worker.pause",
    ),
    Endpoint(
        "POST", "/admin/workers/{id}/resume", workers.resume, Role.OPERATOR, Scope.WORKERS,
        action="worker.resume",
    ),
    Endpoint(
        "POST", "/admin/workers/{id}/shutdown", workers.shutdown, Role.OPERATOR, Scope.WORKERS,
        action="worker.shutdown",
    ),
    Endpoint("GET", "/admin/queues", queues.queues, Role.OPERATOR, Scope.QUEUES),
    Endpoint("GET", "/admin/queues/{priority}", queues.queue, Role.OPERATOR, Scope.QUEUES),
    Endpoint(
        "DELETE", "/admin/queues/{priority}", queues.purge, Role.ADMIN, Scope.QUEUES,
        action="queue.purge",
    ),
    Endpoint("GET", "/admin/queues/{priority}/peek", queues.peek, Role.OPERATOR, Scope.QUEUES),
    Endpoint(
        "POST", "/admin/queues/{priority}/pause", queues.pause, Role.OPERATOR, Scope.QUEUES,
        action="queue.pause",
    ),
    Endpoint(
        "POST", "/admin/queues/{priority}/resume", queues.resume, Role.OPERATOR, Scope.QUEUES,
        action="queue.resume",
    ),
    Endpoint("GET", "/admin/dlq", dlq.dead, Role.OPERATOR, Scope.DLQ),
    Endpoint("GET", "/admin/dlq/groups", dlq.groups, Role.OPERATOR, Scope.DLQ),
    Endpoint(
        "POST", "/admin/dlq/retry", dlq.retry, Role.OPERATOR, Scope.DLQ, action="dlq.retry"
    ),
    Endpoint(
        "POST", "/admin/tasks/{id}/retry", dlq.retry_one, Role.OPERATOR, Scope.TASKS,
        action="task.retry",
    ),
    Endpoint(
        "POST", "/admin/tasks/{id}/cancel", tasks.cancel_task, Role.OPERATOR, Scope.TASKS,
        action="task.cancel",
    ),
    Endpoint("GET", "/admin/metrics", admin.metrics, Role.OPERATOR, Scope.STATS),
    Endpoint(
        "POST", "/admin/config/reload", config.reload, Role.ADMIN, Scope.CONFIG,
        action="config.reload",
    ),
    Endpoint("GET", "/admin/audit", admin.audit_log, Role.ADMIN, Scope.AUDIT),
)  # fmt: skip

#: What operators do on a page, at either port: the same handlers, roles and audit log. What only shows
#: names and numbers a viewer may see, since the snapshot has them too.
_ON_PAGES = tuple(
    dataclasses.replace(
        one,
        path=one.path.replace("/admin", _DASHBOARD, 1),
        role=Role.VIEWER if one.method == "GET" and one.scope is not Scope.AUDIT else one.role,
    )
    for one in OPERATORS
    if one.scope in (Scope.WORKERS, Scope.QUEUES, Scope.AUDIT)
    # How queues stand is in the snapshot.
    and one.handler not in (queues.queues, queues.queue)
)

#: On API_PORT.
PUBLIC = (
    *TASKS, *OPERATIONS, *SCHEDULES, *SESSION, *LIVE, *DASHBOARD, *_ON_PAGES, *DOCS, *HEALTH
)  # fmt: skip

#: On ADMIN_PORT: also all that clients have, so that a page from there needs no other address.
ADMIN = (*OPERATORS, *PUBLIC)
