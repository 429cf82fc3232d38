"""The connections to an API: sends calls, again where that is safe, and opens streams."""

# Made by scripts/sync_client.py from shoal/client/aio/: change that.

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
        self._http = httpx.Client(
            verify=options.tls(),
            limits=options.limits(),
            headers={"User-Agent": user_agent()},
            # A redirection could lead the key to somebody else.
            follow_redirects=False,
        )

    def do(self, call: Call[T]) -> T:
        """Send a call and read its answer.

        Raises:
            ApiUnreachable: No answer, also after the retries.
            ShoalError: The API refused it.
        """
        tries = Tries(call, self._options.retries)
        while True:
            try:
                response = self._http.request(
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
            time.sleep(pause_s)

    @contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        """Open a stream; the body of a refusal is read already."""
        with self._http.stream(
            "GET",
            self._options.base_of(path) + path,
            params=dict(query),
            headers={**headers, **self._own_headers()},
            timeout=following.timeout(),
        ) as response:
            if not response.is_success:
                response.read()
            yield response

    def close(self) -> None:
        """Close them."""
        self._http.close()

    def _own_headers(self) -> dict[str, str]:
        headers = self._options.headers()
        if (traceparent := current()) is not None:
            headers[TRACEPARENT] = traceparent
        return headers
