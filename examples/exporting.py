"""Exports of a SQLite database."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from examples.whole_files import whole_file


class Exported(msgspec.Struct):
    """What an export wrote."""

    rows: int
    files: dict[str, int]


def export(database: Path, table: str, folder: Path) -> Exported:
    """Write a table as CSV and as JSON, row by row: it may be larger than memory.

    Raises:
        sqlite3.Error: There is no such database or table.
    """
    files = {kind: folder / f"{table}.{kind}" for kind in ("csv", "json")}
    # Read only, so that a wrong path is an error and not a new, empty database.
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection,
        whole_file(files["csv"]) as csv_file,
        whole_file(files["json"]) as json_file,
    ):
        # The name was checked against a pattern: SQL has no parameters for names.
        cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608
        columns = [column[0] for column in cursor.description]
        text = io.TextIOWrapper(csv_file, "utf-8", newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        rows = 0
        for row in cursor:
            writer.writerow(row)
            line = json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)
            json_file.write((",\n" if rows else "[\n").encode() + line.encode())
            rows += 1
        json_file.write(b"\n]\n" if rows else b"[]\n")
        text.detach()
    return Exported(rows, {str(path): path.stat().st_size for path in files.values()})
