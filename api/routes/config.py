"""The settings of the running API."""

from __future__ import annotations

import msgspec
from aiohttp import web

from shoal.api.problems import Problem
from shoal.api.reload import reload_settings
from shoal.api.responses import respond
from shoal.api.state import STATE
from shoal.errors import ConfigurationError


async def reload(request: web.Request) -> web.Response:
    """Read the settings again: all that may change are taken over, or none when one is wrong."""
    state = request.app[STATE]
    try:
        taken = reload_settings(state)
    except ConfigurationError as error:
        raise Problem(
            "invalid_settings",
            "Nothing was changed.",
            errors=[{"path": "", "message": problem} for problem in error.problems],
        ) from None
    if state.tell_others is not None:
        state.tell_others()
    document = {"changed": taken.changed, "needs_restart": taken.kept}
    return respond(msgspec.json.encode(document))
