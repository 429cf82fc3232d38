"""The standing watch over keys: docs/keyspace.md names every key, and every field of its hashes."""

import contextlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import redis

from shoal.broker.verify_keyspace import pattern_of

KEYSPACE = Path(__file__).parents[2] / "docs" / "keyspace.md"
MAX_TASKS = 1000
"""Of how many tasks the fields are looked at; one by one, so that a great backlog costs no minute."""
_ROW = re.compile(r"^\| `([^`]+)` \| (\w+) \|", re.MULTILINE)


def _section(title: str) -> str:
    text = KEYSPACE.read_text("utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"docs/keyspace.md has no section {title!r}")
    return found[1]


@cache
def documented_keys(title: str) -> dict[str, str]:
    """Form of key → Redis type, from the table of a section."""
    return dict(_ROW.findall(_section(title)))


@cache
def documented_fields(title: str) -> frozenset[str]:
    """The names in the first column of a section's table."""
    return frozenset(re.findall(r"^\| `([^`]+)` \|", _section(title), re.MULTILINE))


def undocumented(client: redis.Redis, namespace: str) -> list[str]:
    """Keys of a namespace, and fields of task hashes, that docs/keyspace.md does not name."""
    forms = {
        "partition": [pattern_of(form) for form in documented_keys("Keys of a partition")],
        "global": [pattern_of(form) for form in documented_keys("Keys of the namespace")],
    }
    fields = documented_fields("Fields of a task")
    found: list[str] = []
    looked = 0
    reader: Any = client
    for raw in reader.scan_iter(f"{{{namespace}[:}}]*", count=1000):
        key = raw.decode("utf-8", "backslashreplace")
        tag, _, rest = key.partition("}:")
        where = "global" if tag == f"{{{namespace}" else "partition"
        if not any(form.fullmatch(rest) for form in forms[where]):
            found.append(key)
        elif rest.startswith("task:") and looked < MAX_TASKS:
            looked += 1
            # What is no hash is `verify`'s to find.
            with contextlib.suppress(redis.ResponseError):
                known = {name.decode() for name in reader.hkeys(raw)} - fields
                found += [f"{key}/{field}" for field in sorted(known)]
    return found
