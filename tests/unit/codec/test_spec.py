"""A task's spec keeps the payload verbatim and gives back what was put in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.codec import Spec, decode_spec, encode_spec
from shoal.model.retry import STRATEGIES, RetryPolicy

policies = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 99),
    strategy=st.sampled_from(STRATEGIES),
    initial_backoff=st.floats(0, 100),
    max_backoff=st.floats(100, 1000),
    backoff_factor=st.floats(1, 10),
    jitter=st.booleans(),
)


@given(
    st.binary(),
    st.none() | policies,
    st.none() | st.floats(0.001, 1e6),
    st.none() | st.dictionaries(st.text(), st.text(), min_size=1),
    st.none() | st.text(),
    st.none() | st.integers(0, 2**53),
)
def test_a_spec_gives_back_what_was_put_in(
    payload: bytes,
    retry: RetryPolicy | None,
    timeout_s: float | None,
    metadata: dict[str, str] | None,
    unique_key: str | None,
    scheduled_ms: int | None,
) -> None:
    """Every field and any payload bytes survive, newlines in them too."""
    spec = encode_spec(
        payload,
        retry=retry,
        timeout_s=timeout_s,
        metadata=metadata,
        unique_key=unique_key,
        scheduled_ms=scheduled_ms,
    )
    assert spec.endswith(payload)
    expected = Spec(payload, retry, timeout_s, metadata, unique_key, scheduled_ms)
    for _ in range(2):  # the second time the header is known
        assert decode_spec(spec) == expected


def test_a_spec_without_options_has_the_shortest_header() -> None:
    """Most tasks carry three bytes beside their payload."""
    assert encode_spec(b"[1]") == b"{}\n[1]"
    assert encode_spec(b"[1]", metadata={}) == b"{}\n[1]"


def test_unknown_header_keys_are_ignored() -> None:
    """A later release may write more: this one still runs the task."""
    assert decode_spec(b'{"t":5.0,"zz":[1]}\n1') == Spec(b"1", timeout_s=5.0)


@pytest.mark.parametrize(
    "damaged", [b"", b"\n", b"\n1", b"{}", b"{]\n1", b'{"t":"x"}\n1', b'{"m":{"\xff":""}}\n1']
)
def test_what_is_no_spec_is_a_value_error(damaged: bytes) -> None:
    """Damaged bytes are told as such and crash nothing else."""
    with pytest.raises(ValueError, match="stored task"):
        decode_spec(damaged)


def test_metadata_of_tasks_that_share_a_header_cannot_be_changed() -> None:
    """A handler cannot reach into the metadata of its neighbours."""
    metadata = decode_spec(encode_spec(b"1", metadata={"a": "b"})).metadata
    with pytest.raises(TypeError):
        metadata["a"] = "c"  # type: ignore[index]


def test_headers_that_all_differ_do_not_fill_memory() -> None:
    """The table of known headers is bounded."""
    from shoal import codec

    for number in range(3000):
        decode_spec(encode_spec(b"1", metadata={"n": str(number)}))
    assert len(codec._headers) <= 1024
