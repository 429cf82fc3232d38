"""The connections to an API: sends calls, again where that is safe, and opens streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from shoal.client import following
from shoal.client.library import httpx
from shoal.client.options import Options, user_agent
from shoal.client.retrying import Call, Done, Tries
from shoal.trace_context import TRACEPARENT, current

T = TypeVar("T")


class Connection:
    """A pool of connections.

    Args:
        options: Where to, as whom, how.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._http = httpx.AsyncClient(
            verify=options.tls(),
            limits=options.limits(),
            headers={"User-Agent": user_agent()},
            # A redirection could lead the key to somebody else.
            follow_redirects=False,
        )

    async def do(self, call: Call[T]) -> T:
        """Send a call and read its answer.

        Raises:
            ApiUnreachable: No answer, also after the retries.
            ShoalError: The API refused it.
        """
        tries = Tries(call, self._options.retries)
        while True:
            try:
                response = await self._http.request(
                    call.method,
                    self._options.base_of(call.path) + call.path,
                    params=dict(call.query) or None,
                    content=call.body,
                    headers=call.headers() | self._own_headers(),
                    timeout=self._options.timeout(call.wait_s),
                )
            except httpx.TransportError as error:
                pause_s = tries.failed(error)
            else:
                answer = tries.answered(response)
                if isinstance(answer, Done):
                    return answer.value
                pause_s = answer
            await asyncio.sleep(pause_s)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """Open a stream; the body of a refusal is read already."""
        async with self._http.stream(
            "GET",
            self._options.base_of(path) + path,
            params=dict(query),
            headers={**headers, **self._own_headers()},
            timeout=following.timeout(),
        ) as response:
            if not response.is_success:
                await response.aread()
            yield response

    async def aclose(self) -> None:
        """Close them."""
        await self._http.aclose()

    def _own_headers(self) -> dict[str, str]:
        headers = self._options.headers()
        if (traceparent := current()) is not None:
            headers[TRACEPARENT] = traceparent
        return headers
