"""``GET /`` and below: the dashboard's page and its files, open to everybody; they hold no data."""

from __future__ import annotations

import hashlib

from aiohttp import web

from shoal.api.problems import Problem
from shoal.api.site import CONTENT_SECURITY_POLICY, site

#: First parts of the addresses that the page itself understands; /metrics is for Prometheus.
PAGES = (
    "overview",
    "tasks",
    "queues",
    "workers",
    "dead",
    "schedules",
    "submit",
    "charts",
    "system",
)
_COMMON = {"X-Content-Type-Options": "nosniff", "Server": "shoal", "Referrer-Policy": "no-referrer"}
_YEAR_S = 31_536_000


async def page(request: web.Request) -> web.Response:
    """The page, the same at each of its addresses but for where its files are."""
    built = site()
    if built is None:
        raise Problem(
            "not_found",
            "The dashboard is not built: run scripts/build_dashboard.py (it needs Node 20.19 or "
            "newer), or install the wheel, which holds it.",
        )
    body = built.index(request.path.strip("/").count("/"))
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {
        **_COMMON,
        # It names the files of one build: ask each time whether there is another.
        "Cache-Control": "no-cache",
        "ETag": tag,
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Frame-Options": "DENY",
        "X-UI-Version": built.version,
    }
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={**headers, "Content-Type": "text/html; charset=utf-8"})


async def asset(request: web.Request) -> web.Response:
    """One of its files; the name changes with the content, so it may be kept for ever."""
    built = site()
    found = None if built is None else built.assets.get(request.match_info["name"])
    if found is None:
        raise Problem("not_found", "There is no such file; reload the page.")
    headers = {
        **_COMMON,
        "Cache-Control": f"public, max-age={_YEAR_S}, immutable",
        "Content-Type": found.kind,
        "Vary": "Accept-Encoding",
    }
    if found.packed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
        return web.Response(body=found.packed, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=found.body, headers=headers)
