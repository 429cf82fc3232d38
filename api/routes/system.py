"""What stands behind the deployment, for the dashboard: servers, this process, its settings."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aiohttp import web

from shoal import __version__
from shoal.api.query import only
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.broker.server_info import describe_servers
from shoal.config_origins import origins


async def servers(request: web.Request) -> web.Response:
    """The Redis servers as they describe themselves, and the API process that answers."""
    only(request.query)
    state = request.app[STATE]
    document: dict[str, Any] = {
        "servers": await describe_servers(state.gateway.connection.broker),
        "api": {
            "pid": os.getpid(),
            "version": __version__,
            "host": os.uname().nodename,
            "types": None if state.definitions is None else len(state.definitions),
            "roles_by": "API_KEY, keys" + (", tokens" if state.settings.api.jwt_secret else ""),
        },
    }
    return respond(msgspec.json.encode(document))


async def configuration(request: web.Request) -> web.Response:
    """Every setting of the API process that answers, and where it comes from; no secret."""
    only(request.query)
    rows = [one._asdict() for one in origins(request.app[STATE].settings, os.environ)]
    return respond(msgspec.json.encode({"settings": rows}))
