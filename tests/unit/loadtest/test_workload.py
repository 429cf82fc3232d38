"""What the benchmarks submit."""

import orjson
import pytest

from loadtest.workload import PAYLOAD, TYPES, payload_of


def test_payloads_are_as_long_as_asked() -> None:
    """A payload's JSON has exactly the size that was asked for; 100 bytes is the standard."""
    assert len(PAYLOAD) == 100
    assert len(orjson.dumps(payload_of(500, number=7))) == 500


def test_a_payload_too_small_for_its_fields_is_refused() -> None:
    """The error says how many bytes the fields need."""
    with pytest.raises(ValueError, match="need 71 bytes"):
        payload_of(10)


def test_there_are_fifty_types() -> None:
    """The types that do nothing are fifty different names."""
    assert len(set(TYPES)) == 50
