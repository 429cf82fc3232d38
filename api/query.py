"""Query parameters of operators' addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shoal.api.problems import Problem
from shoal.model.identity import check_queue, check_type
from shoal.model.priority import Priority


def only(query: Mapping[str, str], *names: str) -> None:
    """Make sure that there are no others: a misspelt filter would mean everything.

    Raises:
        Problem: ``invalid_parameter``.
    """
    if unknown := sorted(set(query) - set(names)):
        known = f"there are {', '.join(sorted(names))}" if names else "there are none"
        raise wrong(f"There is no parameter {unknown[0]!r:.80}; {known}.")


def whole(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number in its range.

    Raises:
        Problem: ``invalid_parameter``.
    """
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise wrong(f"{name}: must be a whole number from {low} to {high}, not {text!r:.80}")
    return int(text)


def queue_in(query: Mapping[str, str]) -> str | None:
    """``?queue=``; ``None`` = all.

    Raises:
        Problem: ``invalid_parameter``.
    """
    try:
        name = query.get("queue")
        return None if name is None else check_queue(name)
    except ValueError as error:
        raise wrong(f"queue: {error}") from None


def type_in(query: Mapping[str, str]) -> str | None:
    """``?type=``; ``None`` = all.

    Raises:
        Problem: ``invalid_parameter``.
    """
    try:
        name = query.get("type")
        return None if name is None else check_type(name)
    except ValueError as error:
        raise wrong(f"type: {error}") from None


def priority_of(text: str) -> Priority:
    """A priority in a path: a name in any case, or a number.

    Raises:
        Problem: ``invalid_parameter``.
    """
    try:
        return Priority.parse(int(text) if re.fullmatch(r"[0-9]", text) else text)
    except ValueError as error:
        raise wrong(f"priority: {error}") from None


def wrong(detail: str) -> Problem:
    """The problem with a parameter."""
    return Problem("invalid_parameter", detail)
