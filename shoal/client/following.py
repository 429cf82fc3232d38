"""Following events over Server-Sent Events: what to ask for, what came, when to connect again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from shoal.client.errors import error_of
from shoal.client.library import httpx, httpx_sse
from shoal.client.retrying import problem_in, retry_after_s
from shoal.model.backoff import Backoff
from shoal.model.task import format_time

#: The longest first and the longest pause before a connection is made anew, in seconds.
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
#: A stream that is silent for so long is dead: the server writes at least every 15 s.
SILENCE_S: Final = 45.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; docs/events.md has the types and their data.

    Two types tell what is not told: ``missed`` (``since``, ``until``: events of that time may not have come)
    and ``dropped`` (``dropped``: how many this client read too slowly for).
    """

    type: str
    data: Mapping[str, Any]
    #: Resumes after this event (``since=``) at any API process; ``None`` = it can't be resumed after.
    id: str | None = None
    #: Of Redis; ``None`` for those that tell what is not told.
    timestamp: datetime | None = None


class Following:
    """A stream over all its connections.

    Args:
        since: The id to resume after; ``None`` = from now on.
    """

    def __init__(self, since: str | None) -> None:
        self._last_id = since
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        #: Wall time since when nothing was received, once the first connection stood.
        self._lost_at_s: float | None = None

    def headers(self) -> dict[str, str]:
        """Of the next connection."""
        headers = {"Accept": "text/event-stream"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        return headers

    def check(self, response: httpx.Response) -> bool:
        """Whether the stream has begun; else it is to be tried again after a pause.

        Raises:
            ShoalError: It will be refused again.
        """
        if response.is_success:
            self._backoff.reset()
            return True
        if response.status_code in _PASSING:
            return False
        after_s = retry_after_s(response.headers.get("Retry-After"))
        raise error_of(response.status_code, problem_in(response), after_s)

    def gap(self) -> Event | None:
        """What can't be resumed is told, once the connection stands again."""
        lost_at_s, self._lost_at_s = self._lost_at_s, None
        if lost_at_s is None or self._last_id is not None:
            return None
        since, until = (datetime.fromtimestamp(s, UTC) for s in (lost_at_s, time.time()))
        return Event("missed", {"since": format_time(since), "until": format_time(until)})

    def received(self, sent: httpx_sse.ServerSentEvent) -> Event | None:
        """What an event of the stream says; ``None`` for one without data."""
        if not sent.data:
            return None
        document = msgspec.json.decode(sent.data)
        if "timestamp" not in document:
            return Event(sent.event, document)
        event = Event(
            type=document["type"],
            data=document["data"],
            id=document["id"],
            timestamp=datetime.fromisoformat(document["timestamp"]),
        )
        self._last_id = event.id or self._last_id
        return event

    def lost(self, *, stood: bool) -> float:
        """The connection is over. The pause before the next, in seconds.

        Args:
            stood: Whether the stream had begun.
        """
        if stood:
            self._lost_at_s = time.time()
        return self._backoff.next_s()


def timeout() -> httpx.Timeout:
    """The deadlines of a stream, which has no end."""
    return httpx.Timeout(10.0, read=SILENCE_S)


def query_of(
    lists: Mapping[str, Iterable[str] | None], mode: Literal["every", "sample"]
) -> dict[str, str]:
    """The query of a stream; names as in docs/http.md."""
    query = {name: ",".join(values) for name, values in lists.items() if values is not None}
    return {**query, "mode": mode}
