"""A payload is checked against the annotation of the handler's second parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict

import msgspec
import pydantic
import pytest

from shoal.codec import converter_for, encode_payload
from shoal.errors import InvalidPayload

if TYPE_CHECKING:
    from shoal.context import TaskContext


class Address(msgspec.Struct):
    """Where somebody lives."""

    city: str


class Person(msgspec.Struct):
    """A Struct with a constraint and a list of Structs."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    addresses: list[Address] = []


@dataclasses.dataclass
class Order:
    """A dataclass."""

    number: int


class Options(TypedDict, total=False):
    """A TypedDict."""

    fast: bool


class Pair(NamedTuple):
    """A NamedTuple."""

    a: int
    b: int


def converter(annotation: Any) -> Callable[[bytes], Any]:
    """Of a handler whose payload has this annotation."""

    def handler(ctx: TaskContext, payload: Any) -> None: ...

    handler.__annotations__["payload"] = annotation
    return converter_for(handler)


def test_without_annotation_any_json_is_passed_on() -> None:
    """Also with Any; integers stay exact."""

    def bare(ctx, payload): ...  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202

    for convert in (converter_for(bare), converter(Any), converter(object)):
        assert convert(b'{"a":[1.5,null,100000000000000000000]}') == {"a": [1.5, None, 10**20]}
        with pytest.raises(InvalidPayload, match="no valid JSON"):
            convert(b"{")


@pytest.mark.parametrize(
    ("annotation", "raw", "value"),
    [
        (Person, b'{"name":"Ada"}', Person("Ada")),
        ("Person", b'{"name":"Ada","addresses":[{"city":"B"}]}', Person("Ada", [Address("B")])),
        ("list[Person]", b'[{"name":"Ada"}]', [Person("Ada")]),
        (Order, b'{"number":123456789012345678901}', Order(123456789012345678901)),
        (Options, b'{"fast":true}', {"fast": True}),
        (Pair, b"[1,2]", Pair(1, 2)),
        (dict[str, int], b'{"a":1}', {"a": 1}),
        (int | None, b"null", None),
        ("str", b'"x"', "x"),
    ],
)
def test_typed_payloads_arrive_as_their_type(annotation: Any, raw: bytes, value: object) -> None:
    """Structs, dataclasses, TypedDicts, NamedTuples, unions; also annotations that are texts."""
    assert converter(annotation)(raw) == value


@pytest.mark.parametrize(
    ("annotation", "raw", "path", "words"),
    [
        (Person, b'{"name":""}', "name", "length"),
        (Person, b"{}", "", "missing required field `name`"),
        (Person, b'{"name":"A","addresses":[{"city":"B"},{"city":1}]}', "addresses[1].city", "str"),
        (Order, b'{"number":"7"}', "number", "Expected `int`"),
        (Order, b"[]", "", "Expected `object`"),
        (dict[str, int], b'{"a":"b"}', "[...]", "Expected `int`"),
        (Order, b"nonsense", "", "no valid JSON"),
        (str, b'"\xff"', "", "no valid JSON"),
        (Any, b"[" * 100_000, "", "nested"),
        (list[Any], b"[" * 100_000, "", "nested"),
    ],
)
def test_what_does_not_fit_names_its_field(
    annotation: Any, raw: bytes, path: str, words: str
) -> None:
    """The field errors say where and why."""
    with pytest.raises(InvalidPayload) as caught:
        converter(annotation)(raw)
    [error] = caught.value.errors
    assert error["path"] == path
    assert words in error["message"]


def test_types_of_the_function_around_are_found() -> None:
    """A type that stands beside the handler in a function is found by its local names."""

    class Local(msgspec.Struct):
        x: int

    def handler(ctx: TaskContext, payload: Local) -> None: ...

    assert converter_for(handler, locals())(b'{"x":1}') == Local(1)
    with pytest.raises(TypeError, match="cannot be resolved"):
        converter_for(handler)


def test_an_annotation_that_is_no_type_of_json_is_refused() -> None:
    """It is found out when the handler is registered, not when a task runs."""
    with pytest.raises(TypeError, match="cannot be used"):
        converter(int | str | Person | Order)
    with pytest.raises(TypeError, match="cannot be resolved"):
        converter("Nowhere")


class Item(pydantic.BaseModel):
    """A pydantic model."""

    price: float


class Basket(pydantic.BaseModel):
    """One that holds others."""

    items: list[Item]
    bought_at: datetime | None = None


def test_pydantic_models_validate_themselves() -> None:
    """A payload typed by a pydantic model arrives as one, and can be submitted as one."""
    convert = converter(Basket)
    basket = convert(b'{"items":[{"price":2}],"bought_at":"2030-01-31T12:00:00Z"}')
    assert basket == Basket(items=[Item(price=2)], bought_at=datetime(2030, 1, 31, 12, tzinfo=UTC))
    assert convert(encode_payload(basket)) == basket


def test_pydantic_names_every_field_that_does_not_fit() -> None:
    """All its errors are kept, each with its path; also that it is no JSON."""
    convert = converter(Basket)
    with pytest.raises(InvalidPayload) as caught:
        convert(b'{"items":[{"price":"x"},{}]}')
    assert [error["path"] for error in caught.value.errors] == ["items[0].price", "items[1].price"]
    with pytest.raises(InvalidPayload, match="JSON"):
        convert(b"{")


def test_nan_in_a_pydantic_model_is_found() -> None:
    """The place of a NaN is named inside a model too."""
    with pytest.raises(InvalidPayload, match=r"items\[0\].price: NaN"):
        encode_payload(Basket(items=[Item(price=float("nan"))]))
