"""The options by which a command is told which tasks it is for, and running a move on them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypedDict, Unpack

import click

from shoal.app import Shoal
from shoal.broker.bulk import BulkOperation
from shoal.cli.audit import note
from shoal.cli.client import with_app
from shoal.cli.confirm import confirm
from shoal.cli.output import print_json, print_table
from shoal.clock import wall_ms
from shoal.errors import InvalidOperation, ShoalError
from shoal.model.moment import parse_moment
from shoal.model.selection import BulkVerb, Selection
from shoal.model.transitions import State


class Chosen(TypedDict):
    """What the options of :func:`selecting` say."""

    ids: tuple[str, ...]
    state: tuple[str, ...]
    type: str | None
    fingerprint: str | None
    queue: str | None
    since: str | None
    until: str | None
    operation: str | None
    as_json: bool


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command."""
    options = (
        click.argument("ids", nargs=-1),
        click.option("-s", "--state", multiple=True, help="Tasks in this state; may be repeated."),
        click.option("-t", "--type", help="Only this task type."),
        click.option("--fingerprint", help="Only DEAD tasks of this group (shoal dlq groups)."),
        click.option("-q", "--queue", help="Only of this queue."),
        click.option("--since", help="Only whose state began then or later: 2h (ago) or ISO 8601."),
        click.option("--until", help="Only whose state began then or earlier."),
        click.option(
            "--operation", help="Name this operation; the same name goes on with it. Default: new."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def run_move(
    verb: BulkVerb,
    *,
    question: str = "",
    is_sure: bool = True,
    reason: str = "requested",
    **chosen: Unpack[Chosen],
) -> None:
    """Do it, and print how many tasks got which answer.

    Args:
        verb: What is done.
        question: Asked first, with what is selected in the place of ``{}``.
        is_sure: Do not ask.
        reason: Of cancels.
        chosen: What the options say.
    """
    selection = _selection(verb, chosen)
    operation_id = chosen["operation"] or f"op-{uuid.uuid4().hex[:12]}"
    confirm(question.format(_words(selection)), is_sure=is_sure)

    async def work(app: Shoal) -> dict[str, int]:
        broker = await app.broker()
        operation = BulkOperation(broker, verb, operation_id, selection, reason=reason)
        try:
            numbers = await operation.run()
            await note(
                app,
                f"operation.{verb.value}",
                operation_id,
                selection=_words(selection),
                answers=numbers,
            )
            return numbers
        except ShoalError as error:
            error.remedy = f"{error.remedy} Go on with --operation {operation_id}.".strip()
            raise

    numbers = with_app(work)
    if chosen["as_json"]:
        print_json({"operation": operation_id, "answers": numbers})
        return
    print_table(("answer", "tasks"), list(numbers.items()), "no task fits")


def _selection(verb: BulkVerb, chosen: Chosen) -> Selection:
    try:
        states = tuple(State(word.upper()) for word in chosen["state"])
    except ValueError:
        raise InvalidOperation(f"a state is one of {', '.join(State)}") from None
    try:
        return Selection(
            ids=chosen["ids"],
            states=states,
            type=chosen["type"],
            fingerprint=chosen["fingerprint"],
            queue=chosen["queue"],
            since_ms=_time(chosen["since"]),
            until_ms=_time(chosen["until"]),
        ).checked(verb)
    except ValueError as error:
        raise InvalidOperation(str(error)) from None


def _time(text: str | None) -> int | None:
    """Unix ms of an ISO time, or of so long ago."""
    return None if text is None else parse_moment(text, wall_ms())


def _words(selection: Selection) -> str:
    if selection.ids:
        return f"{len(selection.ids)} tasks"
    parts: list[Any] = [f"all {' and '.join(selection.states)} tasks"]
    if selection.type:
        parts.append(f"of type {selection.type}")
    if selection.queue:
        parts.append(f"in queue {selection.queue}")
    if selection.fingerprint:
        parts.append(f"with fingerprint {selection.fingerprint}")
    if selection.since_ms or selection.until_ms:
        parts.append("of that time")
    return " ".join(parts)
