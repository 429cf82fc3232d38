"""Logging in and out with a browser, and tickets for its WebSocket."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from shoal.api.auth import COOKIE, cookie_in
from shoal.api.limits import read_json
from shoal.api.principal import Principal
from shoal.api.problems import Problem
from shoal.api.responses import respond
from shoal.api.sessions import TICKET_S
from shoal.api.state import PRINCIPAL, STATE, ApiState
from shoal.model.task import format_time, from_unix_ms

#: The largest body: a token may be long.
_MAX_BODY = 16 * 1024


class LoginBody(msgspec.Struct, forbid_unknown_fields=True):
    """With what to log in."""

    #: An API key or a token (JWT).
    key: str


async def log_in(request: web.Request) -> web.Response:
    """Begin a session: the cookie is for the browser alone, and never for another site's pages."""
    state = request.app[STATE]
    _refuse_foreign_pages(state, request)
    body = await read_json(request, _MAX_BODY)
    try:
        offered = msgspec.json.decode(body, type=LoginBody).key
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("invalid_json", f'Send {{"key": "…"}}: {error!s:.200}') from None
    address = state.addresses.of(request)
    principal = await state.authenticator.holder_of(offered, address)
    sessions = state.authenticator.sessions
    cookie, held = await sessions.begin(principal, state.settings.api.session_lifetime_s)
    response = respond(msgspec.json.encode(document_of(held)), 201)
    response.set_cookie(
        COOKIE,
        cookie,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.secure or state.settings.api.secure_cookies,
    )
    return response


async def log_out(request: web.Request) -> web.Response:
    """End the session, in every process; without one, nothing."""
    state = request.app[STATE]
    cookie = cookie_in(request.headers)
    if cookie is not None:
        state.authenticator.check_origin(request.headers)
        await state.authenticator.sessions.end(cookie)
    response = respond(b"", 204)
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response


async def who_am_i(request: web.Request) -> web.Response:
    """Who the key, token or cookie stands for, and what it may do."""
    return respond(msgspec.json.encode(document_of(request[PRINCIPAL])))


async def issue_ticket(request: web.Request) -> web.Response:
    """A text that opens one WebSocket within half a minute, with what its owner may do."""
    state = request.app[STATE]
    ticket = await state.authenticator.sessions.issue_ticket(request[PRINCIPAL])
    document = {"ticket": ticket, "expires_in": TICKET_S}
    return respond(msgspec.json.encode(document), 201)


def document_of(principal: Principal) -> dict[str, Any]:
    """A principal as JSON."""
    expires_s = principal.expires_s
    return {
        "name": principal.name,
        "role": principal.role.word,
        "scopes": sorted(scope.value for scope in principal.scopes),
        "expires_at": None
        if expires_s is None
        else format_time(from_unix_ms(int(expires_s * 1000))),
    }


def _refuse_foreign_pages(state: ApiState, request: web.Request) -> None:
    """A foreign page must not log a browser in as somebody else; programs name no origin."""
    said = request.headers.get("Origin") or request.headers.get("Sec-Fetch-Site")
    if said is not None:
        state.authenticator.check_origin(request.headers)
