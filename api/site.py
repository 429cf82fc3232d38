"""The dashboard's built files, read once: what is served at ``/`` and ``/assets/``.

``scripts/build_dashboard.py`` builds them from ``dashboard/`` into ``api/static/``; the wheel holds
them. Without them the API works all the same, and ``/`` says how to build them.
"""

from __future__ import annotations

import functools
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

#: Where the build leaves them.
FOLDER = Path(__file__).resolve().parent / "static"

#: Nothing from elsewhere, nothing inline, and no other site may frame it.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'none'"
)
#: Of extensions that not every system knows.
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file whose name has a hash of its content, so that it never changes."""

    kind: str
    body: bytes
    #: The same by gzip; ``None`` where that saves nothing.
    packed: bytes | None


@dataclass(frozen=True, slots=True)
class Site:
    """All of it."""

    #: ``index.html`` up to and from where ``<base>`` goes in.
    head: bytes
    tail: bytes
    #: By name below ``assets/``.
    assets: dict[str, Asset]
    #: Changes with every build.
    version: str

    def index(self, depth: int) -> bytes:
        """The page for an address so many folders deep.

        The base is relative: behind a proxy that takes a prefix away, it still leads to the root.
        """
        base = "../" * depth or "./"
        return b'%s<base href="%s">%s' % (self.head, base.encode(), self.tail)


@functools.cache
def site(folder: Path = FOLDER) -> Site | None:
    """The built files; ``None`` when there are none. Read at the first call, then kept."""
    try:
        index = (folder / "index.html").read_bytes()
    except FileNotFoundError:
        return None
    start = index.index(b"<head>") + len(b"<head>")
    assets = {
        path.name: _asset(path)
        for path in sorted((folder / "assets").iterdir())
        if path.suffix != ".gz"
    }
    version = hashlib.sha256(index).hexdigest()[:12]
    return Site(index[:start], index[start:], assets, version)


def _asset(path: Path) -> Asset:
    kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    packed = path.with_name(path.name + ".gz")
    return Asset(
        kind or "application/octet-stream",
        path.read_bytes(),
        packed.read_bytes() if packed.exists() else None,
    )
