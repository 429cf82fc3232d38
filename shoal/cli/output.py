"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from shoal.errors import ConfigurationError, ShoalError


def say_error(error: Exception) -> None:
    """One line: what is wrong, and what to do; the traceback only for who asked for it."""
    if os.environ.get("LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    if isinstance(error, ConfigurationError) and len(error.problems) > 1:
        lines = "".join(f"\n  {problem}" for problem in error.problems)
        click.echo(f"error: {len(error.problems)} settings are wrong:{lines}", err=True)
        return
    if isinstance(error, ShoalError):
        message, remedy = str(error), error.remedy
    else:
        message = f"{type(error).__name__}: {error}"
        remedy = "LOG_LEVEL=debug shows the traceback."
    click.echo("error: " + " ".join(f"{message.rstrip('.')}. {remedy}".split()), err=True)


def print_json(value: Any) -> None:
    """One JSON document, indented on a terminal and in one line otherwise."""
    raw = msgspec.json.encode(value)
    if sys.stdout.isatty():
        raw = msgspec.json.format(raw, indent=2)
    click.echo(raw.decode())


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """A table: drawn on a terminal, otherwise columns with two spaces between, easy to cut.

    Args:
        columns: Their heads.
        rows: A value for each column; numbers are set to the right.
        empty: What to say when there are no rows; on standard error, where no program reads it.
    """
    if not rows:
        click.echo(empty, err=True)
        return
    if sys.stdout.isatty():
        _draw(columns, rows)
        return
    texts = [list(columns), *([_text(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(columns))]
    for row in texts:
        click.echo("  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip())


def _draw(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        is_number = all(isinstance(row[place], int | float) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", no_wrap=place == 0)
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    Console(highlight=False, markup=False).print(table)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
