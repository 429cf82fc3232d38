"""Responses: JSON that is encoded already, with the headers that every answer has."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict

JSON = "application/json"
_COMMON = {
    # Answers hold what only the bearer of a key may see.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Nothing of an answer runs, is framed, or is read by another site's page.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    # Not the versions of what stands behind it.
    "Server": "shoal",
}
_JSON_HEADERS = CIMultiDict({"Content-Type": JSON, **_COMMON})


def respond(
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str = JSON,
) -> web.Response:
    """A response with this body.

    Args:
        body: Encoded.
        status: Of HTTP.
        headers: More than those every answer has.
        content_type: Of the body.
    """
    all_headers = _JSON_HEADERS.copy()
    if content_type is not JSON:
        all_headers["Content-Type"] = content_type
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, status=status, headers=all_headers)
