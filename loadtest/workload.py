"""What the benchmarks submit: types, payloads, batch sizes."""

from __future__ import annotations

from typing import Final

import orjson

TYPES: Final = tuple(f"type{k}" for k in range(50))
"""The 50 types that do nothing."""

BUSY_TYPE: Final = "busy10ms"
"""Occupies a slot for 10 ms without using the processor."""

PICKUP_TYPE: Final = "pickup"
"""Its result is the time at which its handler started, in wall-clock microseconds."""

PARTITIONS: Final = 8
PRIORITIES: Final = 4
BATCH: Final = 200
"""Tasks a round trip when many are submitted."""

NAMESPACE: Final = "loadtest"


def payload_of(size: int, number: int = 12345) -> dict[str, object]:
    """A small e-mail-like payload whose JSON is ``size`` bytes.

    Raises:
        ValueError: ``size`` is too small for its fields.
    """
    body: dict[str, object] = {
        "to": "someone@example.org",
        "subject": "hello world",
        "n": number,
        "pad": "",
    }
    missing = size - len(orjson.dumps(body))
    if missing < 0:
        raise ValueError(f"the payload's fields need {size - missing} bytes, more than {size}")
    body["pad"] = "x" * missing
    return body


PAYLOAD_BODY: Final = payload_of(100)
PAYLOAD: Final = orjson.dumps(PAYLOAD_BODY)
"""100 bytes of JSON."""
