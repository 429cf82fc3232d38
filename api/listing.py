"""Pages of tasks: what a client may ask for, and reading a page."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shoal.api.problems import Problem
from shoal.api.state import ApiState
from shoal.api.views import document_of
from shoal.broker.broker import Broker
from shoal.broker.pages import Place
from shoal.model.identity import check_type
from shoal.model.transitions import State

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
#: Deeper pages are reached by cursor, whose cost does not grow.
MAX_OFFSET = 1000

#: What a page leaves out unless it is asked for: word of ``include`` → member.
_OPTIONAL = {"payload": "payload", "result": "result", "error": "error", "attempts": "history"}
_PARAMETERS = frozenset({"state", "type", "limit", "offset", "cursor", "include"})
#: How often what has moved on while it was read is made up for by further tasks.
_REFILLS = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """A page that is asked for."""

    #: Newest first over all of them.
    states: tuple[State, ...]
    type: str | None
    limit: int
    offset: int
    #: Only what follows this place; ``None`` = from the newest on.
    after: Place | None
    include: frozenset[str]

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Self:
        """Read the query.

        Raises:
            Problem: A parameter is unknown or wrong.
        """
        if unknown := sorted(set(query) - _PARAMETERS):
            known = ", ".join(sorted(_PARAMETERS))
            raise _wrong(f"There is no parameter {unknown[0]!r:.80}; there are {known}.")
        after = _parse_cursor(query.get("cursor"))
        if after is not None and "offset" in query:
            raise _wrong("Give cursor or offset, not both.")
        return cls(
            states=_parse_state(query.get("state")),
            type=_parse_type(query.get("type")),
            limit=_whole(query, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
            offset=_whole(query, "offset", 0, 0, MAX_OFFSET),
            after=after,
            include=_parse_include(query.get("include")),
        )


def _wrong(detail: str) -> Problem:
    return Problem("invalid_parameter", detail)


def _parse_state(text: str | None) -> tuple[State, ...]:
    if text is None:
        return tuple(State)
    try:
        return (State(text.upper()),)
    except ValueError:
        raise _wrong(f"state: must be one of {', '.join(State)}, not {text!r:.80}") from None


def _parse_type(text: str | None) -> str | None:
    try:
        return None if text is None else check_type(text)
    except ValueError as error:
        raise _wrong(f"type: {error}") from None


def _whole(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise _wrong(f"{name}: must be a whole number from {low} to {high}, not {text!r:.80}")
    return int(text)


def _parse_include(text: str | None) -> frozenset[str]:
    words = {word.strip() for word in (text or "").split(",")} - {""}
    if unknown := sorted(words - _OPTIONAL.keys()):
        raise _wrong(f"include: must be of {', '.join(_OPTIONAL)}, not {unknown[0]!r:.80}")
    return frozenset(words)


def _parse_cursor(text: str | None) -> Place | None:
    if text is None:
        return None
    try:
        return Place.parse(base64.urlsafe_b64decode(text).decode("ascii"))
    except (binascii.Error, ValueError):
        raise _wrong("cursor: must be the next_cursor of a page.") from None


def _cursor_of(place: Place | None) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(str(place).encode()).decode()


async def read_page(state: ApiState, listing: Listing) -> dict[str, Any]:
    """Read the page and the exact number of all tasks that fit.

    Raises:
        BrokerUnavailable: Redis is away.
    """
    broker = state.gateway.connection.broker
    tasks, after = await _tasks(broker, listing, state)
    counts = await broker.counts() if listing.type else None
    by_state = await broker.counts_by_state() if counts is None else {}
    total = sum(
        by_state[s.value] if counts is None else counts.get((s.value, listing.type or ""), 0)
        for s in listing.states
    )
    return {
        "tasks": tasks,
        "total": total,
        "limit": listing.limit,
        "offset": listing.offset,
        "next_cursor": _cursor_of(after),
    }


async def _tasks(
    broker: Broker, listing: Listing, state: ApiState
) -> tuple[list[dict[str, Any]], Place | None]:
    """The page's tasks, and the place from which the next page goes on."""
    wanted = {s.value for s in listing.states}
    # By id: read one state after the other, a task that moves may be met in two.
    found: dict[str, dict[str, Any]] = {}
    after, offset = listing.after, listing.offset
    for _ in range(_REFILLS):
        page = await broker.list_tasks(
            *listing.states,
            type=listing.type,
            after=after,
            limit=listing.limit - len(found),
            offset=offset,
        )
        after, offset = page.next, offset - page.skipped
        for task in await broker.inspect([row.id for row in page.rows]):
            # One that has moved on since the list was read does not belong there any more.
            if task is not None and task.state in wanted:
                document = document_of(task, state)
                for word, member in _OPTIONAL.items():
                    if word not in listing.include:
                        del document[member]
                found[task.id] = document
        if after is None or len(found) >= listing.limit:
            break
    return list(found.values()), after
