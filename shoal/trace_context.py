"""W3C Trace Context: the header that says for which span something is asked."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final

#: The name of the header, and of the metadata that holds its value.
TRACEPARENT: Final = "traceparent"
_FORM = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]*)?"
)
_MAX_CHARS = 128


def is_traceparent(text: str) -> bool:
    """Whether this is one; version 00 has nothing after the flags."""
    if len(text) > _MAX_CHARS or _FORM.fullmatch(text) is None:
        return False
    return not (text.startswith("00-") and len(text) != 55)


def current() -> str | None:
    """That of the span in which this runs; ``None`` when OpenTelemetry is not used here, or there is none."""
    if "opentelemetry.trace" not in sys.modules:
        return None
    carrier: dict[str, str] = {}
    import_module("opentelemetry.propagate").inject(carrier)
    return carrier.get(TRACEPARENT)


def with_trace(metadata: Mapping[str, str] | None, traceparent: str | None) -> dict[str, str]:
    """Metadata that carries it along; what the submitter put there itself stays."""
    if traceparent is None:
        return dict(metadata or {})
    return {TRACEPARENT: traceparent, **(metadata or {})}
