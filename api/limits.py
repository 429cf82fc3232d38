"""How much the API takes in at once, and reading a body within that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from aiohttp import web
from multidict import istr

from shoal.api.problems import Problem

#: Within what a body must have arrived, in seconds.
BODY_DEADLINE_S = 10.0
#: What a body may have beside one payload.
ENVELOPE_BYTES = 64 * 1024
#: The largest body of a batch.
MAX_BATCH_BYTES = 16 * 1024 * 1024
#: Submissions in progress; more are refused at once, since each would only wait.
MAX_IN_PROGRESS = 10_000
#: Bytes of their bodies.
MAX_BYTES_IN_PROGRESS = 128 * 1024 * 1024
#: Requests that wait for a task's end; more are answered at once.
MAX_WAITS = 2_000

_CONTENT_TYPE = istr("Content-Type")
_CONTENT_ENCODING = istr("Content-Encoding")
_JSON = "application/json"


class Occupancy:
    """What is in progress in this process."""

    __slots__ = ("bytes", "requests", "waits")

    def __init__(self) -> None:
        self.requests = 0
        self.bytes = 0
        self.waits = 0

    @contextlib.contextmanager
    def taking(self, size: int) -> Iterator[None]:
        """While a submission of this size is in progress.

        Raises:
            Problem: ``busy``.
        """
        if self.requests >= MAX_IN_PROGRESS or self.bytes + size > MAX_BYTES_IN_PROGRESS:
            raise Problem(
                "busy", "Nothing of this request was done. Come again.", retry_after_s=1.0
            )
        self.requests += 1
        self.bytes += size
        try:
            yield
        finally:
            self.requests -= 1
            self.bytes -= size


async def read_json(request: web.Request, limit: int) -> bytes:
    """The body, as it came; nothing of it is decoded.

    Raises:
        Problem: It is not called JSON, is larger than ``limit`` bytes, or came too slowly.
    """
    headers = request.headers
    content_type = headers.get(_CONTENT_TYPE, "")
    if content_type != _JSON and not _is_json(content_type):
        raise Problem(
            "unsupported_media_type", "Send JSON in UTF-8, with Content-Type: application/json."
        )
    length = request.content_length
    if length is not None and length > limit:
        raise _too_large(limit)
    content = request.content
    if length is not None and content.is_eof() and _CONTENT_ENCODING not in headers:
        return await content.read()  # all of it is here; nothing to wait for
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            while part := await content.readany():
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
    except TimeoutError:
        raise Problem("request_timeout", f"It must be here within {BODY_DEADLINE_S:g} s.") from None
    except web.RequestPayloadError as error:
        raise Problem("bad_request", f"The body cannot be read: {error!s:.200}") from None
    return b"".join(parts)


def _is_json(content_type: str) -> bool:
    """``application/json``, in any case and with parameters; the charset must be UTF-8."""
    kind, _, parameters = content_type.lower().partition(";")
    if kind.strip() != _JSON:
        return False
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            return False
    return True


def _too_large(limit: int) -> Problem:
    return Problem("body_too_large", f"At most {limit} bytes are accepted here.")
