"""The examples' handlers, run as the plain functions they are, on real input."""

import asyncio
import csv
import json
import mailbox
import smtplib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from examples import app as examples
from examples import exporting
from examples.mail_server import mail_server
from examples.real_input import build_database, photographs
from shoal import NonRetryable, TaskContext


def context(task_id: str = "7") -> TaskContext:
    """Of a first attempt."""
    return TaskContext(task_id, "example", 1, {}, "web1-0")


async def test_mail_arrives_over_smtp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real server takes it, refuses what it does not know, and asks to come back."""

    async def send(to: str) -> Any:
        mail = examples.Email(to, "Grüße", "Line one\n")
        return await asyncio.to_thread(examples.send_email, context(), mail)

    async with mail_server(tmp_path / "mail") as address:
        monkeypatch.setenv("EXAMPLE_SMTP", address)
        result = await send("ada@example.com")
        assert result["message_id"] == "<7@example.com>"
        with pytest.raises(NonRetryable, match="no such mailbox"):
            await send("nobody@unknown.example")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await send("kurt@greylisted.example")
        await send("kurt@greylisted.example")
    messages = list(mailbox.Maildir(tmp_path / "mail"))
    assert sorted(message["To"] for message in messages) == [
        "ada@example.com",
        "kurt@greylisted.example",
    ]


def test_photographs_become_small(tmp_path: Path) -> None:
    """Real photographs, each side at most as long as asked, the second run like the first."""
    for source in photographs():
        payload = examples.Photograph(str(source), str(tmp_path), [32, 128])
        for _ in range(2):
            small, large = examples.make_thumbnails(context(), payload)
        for thumbnail, size in ((small, 32), (large, 128)):
            with Image.open(thumbnail.file) as image:
                assert max(image.size) == size
                assert image.size == (thumbnail.width, thumbnail.height)
    assert not list(tmp_path.glob(".*"))


async def test_a_table_becomes_csv_and_json(tmp_path: Path) -> None:
    """Both hold every row of a real table, accents and emoji included."""
    database = tmp_path / "reference.sqlite"
    rows = build_database(database)
    assert rows["characters"] > 10_000
    assert rows["html_entities"] > 2_000
    for table, count in rows.items():
        exported = await examples.export_table(
            context(), examples.Export(str(database), table, str(tmp_path))
        )
        assert exported.rows == count
        with (tmp_path / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            from_csv = list(csv.DictReader(file))
        from_json = json.loads((tmp_path / f"{table}.json").read_text("utf-8"))
        assert len(from_csv) == len(from_json) == count
        assert list(from_csv[0]) == list(from_json[0])
    aring = next(row for row in json.loads((tmp_path / "characters.json").read_text("utf-8"))
                 if row["name"] == "LATIN SMALL LETTER A WITH RING ABOVE")  # fmt: skip
    assert aring["character"] == "å"


def test_an_export_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """Neither half a file nor a new, empty database."""
    with pytest.raises(sqlite3.OperationalError):
        exporting.export(tmp_path / "none.sqlite", "t", tmp_path / "out")
    build_database(tmp_path / "some.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        exporting.export(tmp_path / "some.sqlite", "t", tmp_path / "out")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["some.sqlite"]
