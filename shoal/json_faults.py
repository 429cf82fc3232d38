"""Finds what is wrong with a value or a text that should be JSON. Off the hot path."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

#: How deep payloads and results may be nested; every JSON library around reads this.
MAX_DEPTH = 64

_STRINGS_OR_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def depth_of(raw: bytes) -> int:
    """The nesting of a JSON text; brackets inside strings do not count."""
    depth = deepest = 0
    for match in _STRINGS_OR_BRACKETS.finditer(raw):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest


def _children(value: object) -> Iterator[tuple[str, object]]:
    """What a value holds, with the step that leads there."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f".{key}", item
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield f"[{index}]", item
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield f".{name}", getattr(value, name)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield f".{part.name}", getattr(value, part.name, None)
    elif isinstance(fields := getattr(type(value), "model_fields", None), Mapping):  # pydantic
        for name in fields:
            yield f".{name}", getattr(value, name, None)


def find_not_a_number(value: object) -> str | None:
    """Where a NaN or an infinity is, like ``readings[2].value``; ``None`` when there is none."""
    if isinstance(value, float):
        return None if math.isfinite(value) else ""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        path, parent = waiting.pop()
        for step, item in _children(parent):
            if isinstance(item, float):
                if not math.isfinite(item):
                    return (path + step).lstrip(".")
            elif not isinstance(item, str | int | bytes) and item is not None:
                waiting.append((path + step, item))
    return None


def find_unserializable(value: object, encode: Callable[[Any], bytes]) -> str:
    """The path to the innermost value that ``encode`` refuses; empty: the value itself."""
    path = ""
    for _ in range(MAX_DEPTH):
        for step, item in _children(value):
            if not _is_accepted(item, encode):
                path, value = path + step, item
                break
        else:
            break
    return path.lstrip(".")


def _is_accepted(item: object, encode: Callable[[Any], bytes]) -> bool:
    try:
        encode(item)
    except Exception:  # noqa: BLE001 - the caller has the message; here only the place is sought
        return False
    return True
