"""How a payload is read and checked, by the annotation of a handler's second parameter."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from shoal.codec import decode_json
from shoal.errors import FieldError, InvalidPayload

#: ``Expected `int`, got `str` - at `$.items[0].count` ``.
_PLACE = re.compile(r"^(?P<message>.*?)(?: - at `(?:key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)


def converter_for(
    handler: Callable[..., Any], local_names: Mapping[str, Any] | None = None
) -> Callable[[bytes], Any]:
    """A function from a payload's JSON to what ``handler`` takes.

    Without an annotation (or with ``Any``) any JSON value is passed on. Otherwise it is
    checked: ``msgspec.Struct``, dataclass, TypedDict, NamedTuple, ``dict[str, int]`` and what
    else msgspec knows, or a pydantic model. The function raises ``InvalidPayload``.

    Args:
        handler: Its second parameter is the payload.
        local_names: Where else to look for a name in an annotation that is a text.

    Raises:
        TypeError: The annotation cannot be resolved, or is no type that JSON can be read into.
    """
    annotation = payload_annotation(handler, local_names)
    if annotation in (inspect.Parameter.empty, Any, object):
        return decode_json
    if _is_pydantic(annotation):
        return _pydantic_converter(annotation)
    try:
        decode = msgspec.json.Decoder(annotation).decode
    except (TypeError, NameError) as error:
        raise TypeError(f"its payload's annotation cannot be used: {error}") from None

    def convert(raw: bytes) -> Any:
        try:
            return decode(raw)
        except msgspec.ValidationError as error:
            raise InvalidPayload([_field_error(str(error))]) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidPayload(f"no valid JSON: {error}") from None
        except RecursionError:
            raise InvalidPayload("nested too deep") from None

    return convert


def payload_annotation(handler: Callable[..., Any], local_names: Mapping[str, Any] | None) -> Any:
    """The type of the handler's second parameter, resolved when it is written as a text."""
    second = list(inspect.signature(handler).parameters.values())[1]
    if second.annotation is inspect.Parameter.empty:
        return second.annotation
    # Only this one is resolved: that of the context may be imported for type checkers alone.
    holder = types.SimpleNamespace(__annotations__={"payload": second.annotation})
    known = getattr(inspect.unwrap(function_behind(handler)), "__globals__", {})
    local = dict(local_names or {})
    try:
        return typing.get_type_hints(holder, known, local, include_extras=True)["payload"]
    except NameError as error:
        raise TypeError(
            f"its payload's annotation {second.annotation!r} cannot be resolved ({error}); "
            "define that type in the module, before the handler"
        ) from None


def function_behind(handler: Any) -> Any:
    """The function of a partial, or of an object that can be called."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return handler if inspect.isroutine(handler) else type(handler).__call__


def _field_error(message: str) -> FieldError:
    match = _PLACE.match(message)
    if match is None:
        return {"path": "", "message": message}
    return {"path": (match["path"] or "").lstrip("."), "message": match["message"]}


def _is_pydantic(annotation: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    return (
        pydantic is not None
        and isinstance(annotation, type)
        and issubclass(annotation, pydantic.BaseModel)
    )


def _pydantic_converter(model: Any) -> Callable[[bytes], Any]:
    def convert(raw: bytes) -> Any:
        try:
            return model.model_validate_json(raw)
        except ValueError as error:  # pydantic's ValidationError is one
            if not callable(list_errors := getattr(error, "errors", None)):
                raise InvalidPayload(str(error)) from None
            found = list_errors(include_url=False, include_input=False, include_context=False)
            raise InvalidPayload(
                [{"path": _dotted(item["loc"]), "message": item["msg"]} for item in found]
            ) from None

    return convert


def _dotted(steps: tuple[str | int, ...]) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).lstrip(".")
