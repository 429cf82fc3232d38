"""Asking before something is destroyed."""

from __future__ import annotations

import sys

import click

from shoal.errors import InvalidOperation


def confirm(question: str, *, is_sure: bool) -> None:
    """Go on only if the answer is yes, or ``--yes`` was given.

    Raises:
        InvalidOperation: Nobody is there to answer.
        click.Abort: The answer is no.
    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise InvalidOperation(f"{question} Nobody can answer here: add --yes.")
    click.confirm(question, abort=True, err=True)
