"""When a request is sent again, and after how long: the one decision of both clients.

Exponential backoff with full jitter, so that many clients that failed together do not come back together.
``Retry-After`` is waited for, and the jitter comes on top. What may have been carried out is sent again only
if twice is the same as once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from shoal.client.errors import ApiUnreachable, error_of
from shoal.client.library import httpx
from shoal.errors import ShoalError
from shoal.model.backoff import Backoff

T = TypeVar("T")

#: The longest first and the longest pause between two tries, in seconds.
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
#: A ``Retry-After`` beyond this is the caller's to wait for, in seconds.
MAX_RETRY_AFTER_S: Final = 60.0
#: Of these it is certain that nothing was sent.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
#: Of these codes with 429 and 503 it is not known that nothing was done.
_UNSURE = frozenset({"outcome_unknown", "broker_unavailable"})
_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how its answer is read."""

    method: str
    path: str
    #: From the answer's JSON (``None`` for none) to what the caller gets.
    read: Callable[[Any], T]
    query: Mapping[str, str] = field(default_factory=dict)
    #: JSON.
    body: bytes | None = None
    #: Whether sending it twice does what sending it once does.
    is_repeatable: bool = True
    idempotency_key: str | None = None
    #: How long the server was asked to wait, in seconds.
    wait_s: float = 0.0
    #: Whether a good answer asks for another try all the same.
    is_partial: Callable[[Any], bool] = lambda _document: False
    #: What an error means when an earlier try may have succeeded; returns, or raises it again.
    if_repeated: Callable[[ShoalError], T] | None = None

    def headers(self) -> dict[str, str]:
        """Those of this request alone."""
        headers = {"Accept": "application/json"}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = self.idempotency_key
        return headers


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What the caller gets."""

    value: T


class Tries(Generic[T]):
    """The tries of one call.

    Args:
        call: Which.
        retries: How many may follow the first.
    """

    def __init__(self, call: Call[T], retries: int) -> None:
        self._call = call
        self._retries = retries
        self._tried = 0
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._may_be_done = False

    def failed(self, error: httpx.TransportError) -> float:
        """No answer came. The pause before the next try, in seconds.

        Raises:
            ApiUnreachable: There is none.
        """
        was_sent = not isinstance(error, _NOT_SENT)
        self._may_be_done |= was_sent
        if (was_sent and not self._call.is_repeatable) or self._tried >= self._retries:
            why = str(error) or type(error).__name__
            raise ApiUnreachable(
                f"no answer from the API: {why}",
                outcome_unknown=self._may_be_done,
                idempotency_key=self._call.idempotency_key or "",
            ) from error
        return self._pause()

    def answered(self, response: httpx.Response) -> Done[T] | float:
        """What the answer means: the caller's value, or the pause before the next try, in seconds.

        Raises:
            ShoalError: It is refused.
        """
        if response.is_success:
            document = msgspec.json.decode(response.content) if response.content else None
            if self._call.is_partial(document) and self._tried < self._retries:
                return self._pause()
            return Done(self._call.read(document))
        problem = problem_in(response)
        after_s = retry_after_s(response.headers.get("Retry-After"))
        error = error_of(response.status_code, problem, after_s)
        if self._call.path.startswith("/admin") and (problem or {}).get("code") == "not_found":
            error.args = (f"{error} (operators' addresses are at their own port: give admin_url)",)
        if self._is_passing(response.status_code, problem, after_s):
            return self._pause(after_s)
        if self._may_be_done and self._call.if_repeated is not None:
            return Done(self._call.if_repeated(error))
        raise error

    def _is_passing(
        self, status: int, problem: Mapping[str, Any] | None, after_s: float | None
    ) -> bool:
        if status not in _PASSING or (problem or {}).get("code") == "broker_error":
            return False
        is_unsure = problem is None or problem.get("code") in _UNSURE
        is_unsure &= status != 429
        self._may_be_done |= is_unsure
        if is_unsure and not self._call.is_repeatable:
            return False
        return self._tried < self._retries and (after_s or 0.0) <= MAX_RETRY_AFTER_S

    def _pause(self, after_s: float | None = None) -> float:
        self._tried += 1
        return (after_s or 0.0) + self._backoff.next_s()


def retry_after_s(text: str | None) -> float | None:
    """``Retry-After`` in seconds, from either of its two forms; ``None`` = not said, or no time."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if seconds < float("inf") else None


def problem_in(response: httpx.Response) -> Mapping[str, Any] | None:
    """The problem document of an answer whose body was read; ``None`` when it has none."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    try:
        document = msgspec.json.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return document if isinstance(document, dict) and "code" in document else None
