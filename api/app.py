"""The two applications, and what happens around every request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

from aiohttp import web

from shoal.api import audit
from shoal.api.access_log import AccessLog
from shoal.api.endpoints import ADMIN, PUBLIC, Endpoint
from shoal.api.problems import Problem, problem_of, problem_of_http
from shoal.api.state import PRINCIPAL, STATE, ApiState
from shoal.api.throughput import keep_throughput
from shoal.errors import BrokerUnavailable, ShoalError
from shoal.telemetry.logs import logger

__all__ = ["admin_app", "public_app"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: What changes nothing.
_READS = frozenset(("GET", "HEAD"))


def public_app(state: ApiState) -> web.Application:
    """What API_PORT serves."""
    return _application(state, PUBLIC)


def admin_app(state: ApiState) -> web.Application:
    """What ADMIN_PORT serves."""
    app = _application(state, ADMIN)
    app.cleanup_ctx.append(keep_throughput)
    return app


def _application(state: ApiState, endpoints: Sequence[Endpoint]) -> web.Application:
    front = _Front(state)
    app = web.Application(middlewares=[front.serve])
    app[STATE] = state
    for endpoint in endpoints:
        front.add(app.router.add_route(endpoint.method, endpoint.path, endpoint.handler), endpoint)
        if endpoint.method == "GET":
            head = app.router.add_route("HEAD", endpoint.path, endpoint.handler)
            front.add(head, endpoint)
    return app


class _Front:
    """Around every request: who asks, what an error means to a client, what is counted and logged."""

    def __init__(self, state: ApiState) -> None:
        self._state = state
        self._endpoints: dict[web.AbstractRoute, Endpoint] = {}
        self._is_counting = state.settings.metrics_enabled
        self._log = AccessLog(everything=lambda: state.settings.log_level == "debug")

    def add(self, route: web.AbstractRoute, endpoint: Endpoint) -> None:
        """Make a route known."""
        self._endpoints[route] = endpoint

    @web.middleware
    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware."""
        began_s = perf_counter()
        endpoint = self._endpoints.get(request.match_info.route)
        outcome = "done"
        try:
            if endpoint is not None and endpoint.role is not None:
                await self._authorize(request, endpoint)
            response = await handler(request)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - each becomes a problem, and what is ours is logged
            problem = self._failed(request, error)
            response, outcome = problem.response(), problem.code
        if endpoint is not None and endpoint.action and PRINCIPAL in request:
            await audit.write(self._state, request, endpoint.action, outcome)
        took_s = perf_counter() - began_s
        route = "unmatched" if endpoint is None else endpoint.path
        if self._is_counting:
            method = request.method if endpoint is not None else "any"
            waits = endpoint is not None and endpoint.may_wait and "wait" in request.query_string
            self._state.http.answered(method, route, response.status, None if waits else took_s)
        if self._log.wants(response.status):
            self._log.write(request, route, response.status, took_s)
        return response

    async def _authorize(self, request: web.Request, endpoint: Endpoint) -> None:
        if endpoint.path == "/metrics" and self._state.settings.api.metrics_public:
            return
        authenticator = self._state.authenticator
        address = self._state.addresses.of(request)
        if authenticator.addresses.is_limited:
            authenticator.addresses.count(address)
        if endpoint.takes_ticket and "ticket" in request.query:
            principal = await authenticator.sessions.take_ticket(request.query["ticket"])
        else:
            principal = await authenticator.authenticate(request.headers, address)
        if principal.by_cookie and request.method not in _READS:
            authenticator.check_origin(request.headers)
        # Known from here on: who tries what is not allowed stands in the audit log too.
        request[PRINCIPAL] = principal
        if endpoint.role is not None:
            principal.check(endpoint.role, endpoint.scope)

    @staticmethod
    def _failed(request: web.Request, error: Exception) -> Problem:
        if isinstance(error, web.HTTPException):
            return problem_of_http(error)
        problem = problem_of(error)
        if problem.kind.status in (500, 502):
            route = request.match_info.route.resource
            where = route.canonical if route is not None else "unmatched"
            # A broker's error is told by its text; anything else by where it was raised.
            if isinstance(error, ShoalError):
                logger.error("{} {}: {}", request.method, where, error)
            else:
                logger.opt(exception=error).error("{} {} failed", request.method, where)
        elif isinstance(error, BrokerUnavailable):
            logger.debug("{}", error)
        return problem
