"""The API about itself: its OpenAPI document, and a page that shows it."""

from __future__ import annotations

from functools import cache

from aiohttp import web

from shoal.api.docs_page import CONTENT_SECURITY_POLICY, PAGE
from shoal.api.responses import JSON, respond


async def openapi(_request: web.Request) -> web.Response:
    """The OpenAPI document of both ports."""
    return respond(_document(), content_type=JSON)


async def page(_request: web.Request) -> web.Response:
    """A page that shows the document; it asks no other host, and for a key where it needs one."""
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return respond(PAGE, headers=headers, content_type="text/html; charset=utf-8")


@cache
def _document() -> bytes:
    # It names all endpoints, this one among them.
    from shoal.api.openapi import encoded

    return encoded()
