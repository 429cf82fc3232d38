"""Real input that is on every machine the examples run on."""

from __future__ import annotations

import html.entities
import mimetypes
import sqlite3
import unicodedata
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

_PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
#: Where the characters end that have names of their own; beyond are 90,000 ideographs.
_LAST_SCRIPT = 0x2FFF


def photographs() -> list[Path]:
    """Photographs that scikit-image ships (an astronaut, a cat, a cup of coffee, a rocket).

    Raises:
        RuntimeError: scikit-image is not installed.
    """
    # Located and not imported: the package would load all of numpy and scipy.
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise RuntimeError("scikit-image is not installed: pip install 'shoal[examples]'")
    folder = Path(spec.origin).parent / "data"
    return [folder / name for name in _PHOTOGRAPHS]


def build_database(path: Path) -> dict[str, int]:
    """A SQLite database of what Python knows: Unicode's characters, HTML's entities, media types.

    Returns:
        How many rows each table has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            """
            CREATE TABLE characters (
                code INTEGER PRIMARY KEY, character TEXT, name TEXT, category TEXT, numeric REAL
            );
            CREATE TABLE html_entities (entity TEXT PRIMARY KEY, characters TEXT, codes TEXT);
            CREATE TABLE media_types (extension TEXT PRIMARY KEY, media_type TEXT);
            """
        )
        connection.executemany(
            "INSERT INTO characters VALUES (?, ?, ?, ?, ?)",
            (
                (
                    code,
                    chr(code),
                    name,
                    unicodedata.category(chr(code)),
                    unicodedata.numeric(chr(code), None),
                )
                for code in range(_LAST_SCRIPT)
                if (name := unicodedata.name(chr(code), ""))
            ),
        )
        connection.executemany(
            "INSERT INTO html_entities VALUES (?, ?, ?)",
            (
                (entity, text, " ".join(f"U+{ord(character):04X}" for character in text))
                for entity, text in html.entities.html5.items()
            ),
        )
        connection.executemany(
            "INSERT INTO media_types VALUES (?, ?)",
            sorted(mimetypes.MimeTypes(strict=True).types_map[True].items()),
        )
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("characters", "html_entities", "media_types")
        }
