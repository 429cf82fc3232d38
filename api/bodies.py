"""Bodies of operators' requests: their fields, and how they become what the broker takes."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Raw, Struct

from shoal.api.limits import read_json
from shoal.api.problems import Problem
from shoal.clock import wall_ms
from shoal.model.moment import parse_moment
from shoal.model.selection import BulkVerb, Selection
from shoal.model.transitions import State

StructT = TypeVar("StructT", bound=Struct)
Duration = str | int | float

#: The most ids that one request may name.
MAX_IDS = 10_000
#: They, and all around them.
MAX_BODY = 1024 * 1024
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$?\.?(?P<path>.*)`)?", re.DOTALL)


class FilterBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which tasks: all conditions must hold."""

    states: list[str] | None = None
    type: str | None = None
    fingerprint: str | None = None
    queue: str | None = None
    #: When their state began: ISO 8601 with an offset, or so long ago (``"2h"``).
    since: str | None = None
    until: str | None = None


class OperationBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A move of many tasks."""

    verb: str
    task_ids: list[str] | None = None
    filter: FilterBody | None = None
    #: Of cancels; shown with the tasks.
    reason: str = "requested"
    #: Of requeues: at most so many tasks a second; none = as fast as it goes.
    rate: float | None = None
    #: Names the operation; the same again goes on with it.
    id: str | None = None


class RetryBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which DEAD tasks are to run again."""

    task_ids: list[str] | None = None
    filter: FilterBody | None = None
    #: At most so many tasks a second; none = as fast as it goes.
    rate: float | None = None
    id: str | None = None


class ScheduleBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A schedule, and the task that it submits."""

    id: str
    cron: str
    type: str
    payload: Raw
    tz: str = "UTC"
    missed: str = "run_once"
    priority: str | int | None = None
    queue: str | None = None
    timeout: Duration | None = None
    max_retries: int | None = None
    metadata: dict[str, str] | None = None
    retention: Duration | None = None


async def read_body(request: web.Request, kind: type[StructT], limit: int = MAX_BODY) -> StructT:
    """The body of a request.

    Raises:
        Problem: It is no JSON, or has not these fields.
    """
    raw = await read_json(request, limit)
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        match = _PLACE.fullmatch(str(error))
        what, path = (match["what"], match["path"] or "") if match else (str(error), "")
        raise invalid(path, what) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem("invalid_json", str(error)) from None
    except RecursionError:
        raise Problem("invalid_json", "It is nested too deep.") from None


def invalid(path: str, message: str) -> Problem:
    """The problem with a field."""
    detail = f"{path}: {message}" if path else message
    return Problem("invalid_body", detail, errors=[{"path": path, "message": message}])


def selection_of(
    verb: BulkVerb,
    task_ids: list[str] | None,
    chosen: FilterBody | None,
    default_states: tuple[State, ...] = (),
) -> Selection:
    """Which tasks are meant.

    Raises:
        Problem: Neither ids nor a filter, both, or what does not go with the verb.
    """
    if (task_ids is None) == (chosen is None):
        raise invalid("", "give task_ids or filter, and not both")
    try:
        if task_ids is not None:
            if not 0 < len(task_ids) <= MAX_IDS:
                raise invalid("task_ids", f"must name 1 to {MAX_IDS} tasks, not {len(task_ids)}")
            return Selection(ids=tuple(task_ids)).checked(verb)
        return _filtered(verb, chosen or FilterBody(), default_states)
    except ValueError as error:
        raise invalid("task_ids" if task_ids is not None else "filter", str(error)) from None


def _filtered(verb: BulkVerb, chosen: FilterBody, default_states: tuple[State, ...]) -> Selection:
    words = chosen.states
    states = default_states if words is None else tuple(_state(word) for word in words)
    return Selection(
        states=states,
        type=chosen.type,
        fingerprint=chosen.fingerprint,
        queue=chosen.queue,
        since_ms=_time_ms("filter.since", chosen.since),
        until_ms=_time_ms("filter.until", chosen.until),
    ).checked(verb)


def _state(word: str) -> State:
    try:
        return State(word.upper())
    except ValueError:
        raise invalid("filter.states", f"a state is one of {', '.join(State)}") from None


def _time_ms(path: str, text: str | None) -> int | None:
    """Unix ms of an ISO time, or of so long ago."""
    try:
        return None if text is None else parse_moment(text, wall_ms())
    except ValueError as error:
        raise invalid(path, str(error)) from None
