"""Between Python values and the bytes that Redis keeps.

The *spec* of a task is one opaque byte string: a JSON header, a newline, and the payload's JSON
exactly as it was given. Redis never looks inside. Payloads are decoded by msgspec, which keeps
integers of any size exact (orjson turns those beyond 64 bit into floats without a word).

Spec header (keys absent = default): ``r`` retry policy as [max_retries, strategy,
initial_backoff, max_backoff, backoff_factor, jitter], ``t`` timeout in seconds, ``m`` metadata,
``k`` unique key, ``d`` the time asked for in Unix ms. Unknown keys are ignored, so that two
releases can run side by side.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from numbers import Integral
from types import MappingProxyType
from typing import Any

import msgspec

from shoal.errors import InvalidPayload, ResultNotSerializable
from shoal.json_faults import MAX_DEPTH, depth_of, find_not_a_number, find_unserializable
from shoal.model.retry import RetryPolicy

_BARE = b"{}\n"
#: Headers that tasks share are decoded once; when there are this many, all are forgotten.
_MAX_CACHED_HEADERS = 1024


class Spec(msgspec.Struct, frozen=True, gc=False):
    """What a task was submitted with. ``None`` = not given: the type's default holds."""

    payload: bytes
    retry: RetryPolicy | None = None
    timeout_s: float | None = None
    #: Read-only, and shared between tasks with the same header.
    metadata: Mapping[str, str] | None = None
    unique_key: str | None = None
    #: The time the submitter asked for, Unix ms.
    scheduled_ms: int | None = None


class _Header(msgspec.Struct, omit_defaults=True):
    r: tuple[int, str, float, float, float, bool] | None = None
    t: float | None = None
    m: dict[str, str] | None = None
    k: str | None = None
    d: int | None = None


_Known = tuple[RetryPolicy | None, float | None, Mapping[str, str] | None, str | None, int | None]

_header_decoder = msgspec.json.Decoder(_Header)
_value_decoder = msgspec.json.Decoder()
_headers: dict[bytes, _Known] = {}


def encode_spec(
    payload: bytes,
    *,
    retry: RetryPolicy | None = None,
    timeout_s: float | None = None,
    metadata: Mapping[str, str] | None = None,
    unique_key: str | None = None,
    scheduled_ms: int | None = None,
) -> bytes:
    """The spec of a task; ``payload`` is JSON (see ``encode_payload``) and is kept verbatim."""
    if (
        retry is None
        and timeout_s is None
        and not metadata
        and unique_key is None
        and scheduled_ms is None
    ):
        return _BARE + payload
    return encode_header(retry, timeout_s, metadata, unique_key, scheduled_ms) + payload


def encode_header(
    retry: RetryPolicy | None = None,
    timeout_s: float | None = None,
    metadata: Mapping[str, str] | None = None,
    unique_key: str | None = None,
    scheduled_ms: int | None = None,
) -> bytes:
    """The part of a spec before the payload; many tasks submitted alike may share it."""
    header = _Header(
        r=None if retry is None else _retry_list(retry),
        t=timeout_s,
        m=dict(metadata) if metadata else None,
        k=unique_key,
        d=scheduled_ms,
    )
    return _value_encoder.encode(header) + b"\n"


def decode_spec(spec: bytes) -> Spec:
    """What ``encode_spec`` was given.

    Raises:
        ValueError: These bytes are no spec.
    """
    if spec.startswith(_BARE):
        return Spec(spec[3:])
    end = spec.find(b"\n")
    known = _headers.get(spec[:end]) if end > 0 else None
    if known is None:
        known = _decode_header(spec, end)
    return Spec(spec[end + 1 :], *known)


def _decode_header(spec: bytes, end: int) -> _Known:
    if end <= 0:
        raise ValueError("the stored task has no header")
    raw = spec[:end]
    try:
        header = _header_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"the stored task's header is not readable: {error}") from None
    known: _Known = (
        None if header.r is None else _retry_policy(header.r),
        header.t,
        None if header.m is None else MappingProxyType(header.m),
        header.k,
        header.d,
    )
    if len(_headers) >= _MAX_CACHED_HEADERS:
        _headers.clear()
    _headers[raw] = known
    return known


def _retry_list(retry: RetryPolicy) -> tuple[int, str, float, float, float, bool]:
    return (
        retry.max_retries,
        retry.strategy,
        retry.initial_backoff,
        retry.max_backoff,
        retry.backoff_factor,
        retry.jitter,
    )


@functools.lru_cache(maxsize=256)
def _retry_policy(fields: tuple[int, str, float, float, float, bool]) -> RetryPolicy:
    return RetryPolicy(*fields)  # type: ignore[arg-type]  # it checks the strategy itself


def _to_plain(value: Any) -> Any:
    """What msgspec itself does not write: subclasses of plain types, and pydantic models."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Integral):  # numpy's integers are
        return int(value)
    if isinstance(value, Mapping):
        return dict(value)
    # Known by its method, since pydantic need not be installed.
    if callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
        return dump(mode="json")
    raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON")


_value_encoder = msgspec.json.Encoder(enc_hook=_to_plain)


def encode_payload(value: object) -> bytes:
    """JSON of a payload: plain values, msgspec Structs, dataclasses, pydantic models, dates, UUIDs.

    Integers stay exact whatever their size. Text between dates and their like is as msgspec
    writes it (ISO 8601, hexadecimal UUID, base64 for bytes).

    Raises:
        InvalidPayload: NaN or an infinity, nesting deeper than 64, or a value JSON cannot hold;
            it names where.
    """
    try:
        return _encode(value)
    except _Unserializable as fault:
        raise InvalidPayload([{"path": fault.path, "message": fault.message}]) from None


def encode_result(value: object) -> bytes:
    """JSON of a handler's return value, see ``encode_payload``; nothing at all for ``None``.

    Raises:
        ResultNotSerializable: As ``InvalidPayload`` there.
    """
    if value is None:
        return b""
    try:
        return _encode(value)
    except _Unserializable as fault:
        where = f"result.{fault.path}" if fault.path else "result"
        raise ResultNotSerializable(f"{where}: {fault.message}".replace(".[", "[")) from None


class _Unserializable(Exception):
    def __init__(self, path: str, message: str) -> None:
        super().__init__(path, message)
        self.path = path
        self.message = message


def _encode(value: object) -> bytes:
    try:
        raw = _value_encoder.encode(value)
    except RecursionError:
        reason = f"nested deeper than {MAX_DEPTH}, or it contains itself"
        raise _Unserializable("", reason) from None
    except Exception as error:  # noqa: BLE001 - an object's own methods may raise anything
        path = find_unserializable(value, _value_encoder.encode)
        raise _Unserializable(path, str(error) or type(error).__name__) from None
    # Brackets and ``null`` inside strings lead to the slow way too, and only there is it exact.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and depth_of(raw) > MAX_DEPTH:
        raise _Unserializable("", f"nested deeper than {MAX_DEPTH}")
    # msgspec writes NaN and the infinities as null.
    if b"null" in raw and (place := find_not_a_number(value)) is not None:
        raise _Unserializable(place, "NaN and infinities are no JSON")
    if len(raw) > 4300 and _has_endless_number(raw):
        raise _Unserializable("", "an integer has more than 4300 digits")
    return raw


def _has_endless_number(raw: bytes) -> bool:
    """Whether there is a number that no reader of ours would take."""
    try:
        _value_decoder.decode(raw)
    except msgspec.MsgspecError:
        return True
    return False


def check_payload(raw: bytes, max_bytes: int) -> None:
    """Refuse a payload that came as JSON and that a worker could not read; it is kept verbatim.

    Args:
        raw: The payload's JSON.
        max_bytes: The most it may have (SHOAL_MAX_PAYLOAD).

    Raises:
        InvalidPayload: Too large, no valid UTF-8 JSON, NaN or a number beyond range, an integer of
            more than 4300 digits, or nesting deeper than 64.
    """
    if len(raw) > max_bytes:
        raise InvalidPayload(too_large(len(raw), max_bytes))
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and depth_of(raw) > MAX_DEPTH:
        raise InvalidPayload(f"nested deeper than {MAX_DEPTH}")
    decode_json(raw)


def too_large(size: int, max_bytes: int) -> str:
    """What to say of a payload of this size."""
    return f"{size} bytes; at most {max_bytes} are accepted (SHOAL_MAX_PAYLOAD)"


def decode_json(raw: bytes) -> Any:
    """The value of a JSON text; integers are exact whatever their size.

    Raises:
        InvalidPayload: It is no JSON, or nested too deep.
    """
    try:
        return _value_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"no valid JSON: {error}") from None
    except RecursionError:
        raise InvalidPayload(f"nested deeper than {MAX_DEPTH}") from None


def converter_for(
    handler: Callable[..., Any], local_names: Mapping[str, Any] | None = None
) -> Callable[[bytes], Any]:
    """How the payload of ``handler`` is read, by the annotation of its second parameter.

    See ``shoal.payload_types``, where it lives.
    """
    from shoal.payload_types import converter_for as build

    return build(handler, local_names)
