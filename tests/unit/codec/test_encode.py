"""Payloads and results: what JSON can hold goes through exactly, what it cannot is named."""

import contextlib
import dataclasses
import json
import math
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.codec import check_payload, decode_json, encode_payload, encode_result
from shoal.errors import InvalidPayload, ResultNotSerializable
from shoal.json_faults import depth_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


class Point(msgspec.Struct):
    """A Struct."""

    x: float


@dataclasses.dataclass
class Line:
    """A dataclass that holds Structs."""

    points: list[Point]


class Colour(Enum):
    """An enumeration."""

    RED = "red"


class Word(str):
    """A subclass of str, as many libraries make them."""

    __slots__ = ()


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


@given(json_values)
def test_every_json_value_survives(value: Any) -> None:
    """Integers of any size, floats and texts come back as they went in."""
    raw = encode_payload(value)
    assert decode_json(raw) == value
    check_payload(raw, len(raw))


@pytest.mark.parametrize("number", [2**53 + 1, 2**64, -(2**63) - 1, 10**40, 10**4299])
def test_integers_beyond_64_bit_stay_exact(number: int) -> None:
    """No integer becomes a float on its way."""
    back = decode_json(encode_payload({"n": number}))["n"]
    assert type(back) is int
    assert back == number


def test_what_libraries_hand_around_can_be_written() -> None:
    """Structs, dataclasses, dates, UUIDs, enumerations and subclasses of plain types."""
    value = {
        "line": Line([Point(1.0)]),
        "at": datetime(2030, 1, 31, tzinfo=UTC),
        "id": UUID(int=1),
        "colour": Colour.RED,
        "word": Word("w"),
        "set": {1},
        "none": None,
    }
    assert json.loads(encode_payload(value)) == {
        "line": {"points": [{"x": 1.0}]},
        "at": "2030-01-31T00:00:00Z",
        "id": "00000000-0000-0000-0000-000000000001",
        "colour": "red",
        "word": "w",
        "set": [1],
        "none": None,
    }


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda n: n, ""),
        (lambda n: {"a": [0, {"b": n}]}, "a[1].b"),
        (lambda n: Line([Point(0.0), Point(n)]), "points[1].x"),
        (lambda n: [None, n], "[1]"),
    ],
)
def test_nan_and_infinities_are_refused_with_their_place(
    number: float, wrap: Any, path: str
) -> None:
    """They would silently become null."""
    with pytest.raises(InvalidPayload) as caught:
        encode_payload(wrap(number))
    assert caught.value.errors[0]["path"] == path
    assert "NaN" in caught.value.errors[0]["message"]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), ""),
        ({"a": [1, object()]}, "a[1]"),
        ({"a": {"b": "\ud800"}}, "a.b"),
        ([{(1, 2): 3}], "[0]"),
        ({"a": 10**5000}, "a"),
    ],
)
def test_what_cannot_be_written_is_named(value: object, path: str) -> None:
    """The error says where the innermost culprit stands."""
    with pytest.raises(InvalidPayload) as caught:
        encode_payload(value)
    assert caught.value.errors[0]["path"] == path


def test_nesting_ends_at_64() -> None:
    """Depth 64 goes both ways, 65 neither; brackets in texts are no depth."""
    assert decode_json(encode_payload(nested(64))) == nested(64)
    check_payload(b"[" * 64 + b"]" * 64, 1000)
    for bad in (nested(65), nested(5000)):
        with pytest.raises(InvalidPayload, match="deeper than 64"):
            encode_payload(bad)
    for raw in (b"[" * 65 + b"]" * 65, b"[" * 100_000):
        with pytest.raises(InvalidPayload, match="deeper than 64"):
            check_payload(raw, 10**6)
    flat: list[Any] = [[] for _ in range(100)]
    assert decode_json(encode_payload(flat)) == flat
    assert decode_json(encode_payload("[" * 1000)) == "[" * 1000
    assert depth_of(rb'{"a\"[[": ["\\", {"b": 1}]}') == 3


def test_a_value_that_contains_itself_is_refused() -> None:
    """It has no end."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidPayload, match="contains itself"):
        encode_payload(value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b"1e400",
        b"1" * 4301,
        b"-" + b"1" * 5000,
        b'"\\ud800"',
        b'"\xff"',
        b'{"\xff": 1}',
        b'"\xc0\x80"',
        b"\xef\xbb\xbf{}",
        '"x"'.encode("utf-16"),
        b"{} x",
        b"01",
        b'"\x01"',
        b"{bad",
    ],
)
def test_json_that_no_worker_could_read_is_refused_at_the_door(raw: bytes) -> None:
    """Each is an InvalidPayload, never another exception."""
    with pytest.raises(InvalidPayload):
        check_payload(raw, 10**6)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_an_invalid_payload(raw: bytes) -> None:
    """Nothing else is raised, whatever comes."""
    with contextlib.suppress(InvalidPayload):
        check_payload(raw, 100)


def test_a_payload_has_a_largest_size() -> None:
    """One byte more is refused, and the setting is named."""
    check_payload(b'"12345678"', 10)
    with pytest.raises(InvalidPayload, match="SHOAL_MAX_PAYLOAD"):
        check_payload(b'"123456789"', 10)


def test_a_result_that_cannot_be_written_is_an_error_of_its_own() -> None:
    """The message begins with the place in the result; None is nothing at all."""
    assert encode_result(None) == b""
    assert encode_result({"a": 1}) == b'{"a":1}'
    for value, message in (
        (object(), "result: a value of type object"),
        ({"a": object()}, "result.a: a value of type object"),
        ([object()], r"result\[0\]: a value of type object"),
        (math.nan, "result: NaN"),
    ):
        with pytest.raises(ResultNotSerializable, match=f"^{message}"):
            encode_result(value)


def test_an_object_whose_methods_fail_is_told_by_its_place() -> None:
    """Whatever it raises while it is written becomes one clear error."""

    class Broken:
        def model_dump(self, mode: str) -> None:
            raise RuntimeError(f"cannot dump as {mode}")

    with pytest.raises(InvalidPayload, match="thing: cannot dump as json"):
        encode_payload({"thing": Broken()})
