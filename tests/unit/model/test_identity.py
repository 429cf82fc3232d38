"""Task ids, incarnations and names."""

import re
import uuid
from random import Random, SystemRandom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.model.identity import (
    Incarnation,
    TaskIds,
    boot_nonce,
    check_queue,
    check_type,
    check_worker_id,
    parse_task_id,
    partition_of,
    task_id,
)

partitions = st.integers(0, 4095)
times_ms = st.integers(0, (1 << 48) - 1)
NONCE = re.compile(r"[a-z0-9]{6}")


@given(partitions, times_ms, st.integers(0, (1 << 62) - 1))
def test_a_task_id_is_a_uuid7_that_carries_its_parts(partition: int, ms: int, bits: int) -> None:
    """The id is a well-formed UUIDv7, and time, partition and random bits can be read from it."""
    text = task_id(partition, ms, bits)
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == ms
    assert parsed.int & ((1 << 62) - 1) == bits
    assert partition_of(text) == partition
    assert parse_task_id(text.upper()) == text


@given(partitions, times_ms, st.integers(0, 300), st.integers())
def test_a_batch_is_made_of_distinct_well_formed_ids(
    partition: int, ms: int, n: int, seed: int
) -> None:
    """A batch has n distinct ids of that partition and that millisecond."""
    ids = TaskIds(lambda: ms, Random(seed)).batch(partition, n)
    assert len(set(ids)) == len(ids) == n
    assert [parse_task_id(text) for text in ids] == ids
    assert {partition_of(text) for text in ids} <= {partition}
    assert {uuid.UUID(text).int >> 80 for text in ids} <= {ms}


def test_all_random_bits_of_a_batch_vary() -> None:
    """Over a thousand ids each of the 62 random bits is seen as 0 and as 1."""
    bits = [
        uuid.UUID(text).int & ((1 << 62) - 1) for text in TaskIds(int, Random(1)).batch(7, 1000)
    ]
    seen_set, seen_clear = 0, 0
    for value in bits:
        seen_set |= value
        seen_clear |= ~value
    assert seen_set == seen_clear & ((1 << 62) - 1) == (1 << 62) - 1


def test_ids_rise_with_time() -> None:
    """An id of a later millisecond sorts after one of an earlier one, in the same partition."""
    clock = iter(range(1_732_420_000_000, 1_732_420_000_050))
    ids = [TaskIds(lambda: next(clock), SystemRandom()).new(5) for _ in range(50)]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("partition", "ms", "bits"),
    [(4096, 0, 0), (-1, 0, 0), (0, 1 << 48, 0), (0, -1, 0), (0, 0, 1 << 62), (0, 0, -1)],
)
def test_what_does_not_fit_its_bits_is_refused(partition: int, ms: int, bits: int) -> None:
    """A partition, time or random number that is too large or negative raises ValueError."""
    with pytest.raises(ValueError, match=r"partition|unix_ms|random62"):
        task_id(partition, ms, bits)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "01935c47-5900-4005-92ce-5802f5d8bda9",
        "01935c47-5900-7005-c2ce-5802f5d8bda9",
        "01935c4759007005a2ce5802f5d8bda9",
        "{01935c47-5900-7005-92ce-5802f5d8bda9}",
        "01935c47-5900-7005-92ce-5802f5d8bda9\n",
        "\uff101935c47-5900-7005-92ce-5802f5d8bda9",
        "x" * 100_000,
    ],
)
def test_what_is_no_task_id_is_refused(text: str) -> None:
    """Other versions, variants and forms raise ValueError with a short message."""
    with pytest.raises(ValueError, match="invalid task id") as refusal:
        parse_task_id(text)
    assert len(str(refusal.value)) < 200


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True),
    st.integers(0, 9999),
    st.integers(),
)
def test_an_incarnation_is_read_back_from_its_text(worker_id: str, index: int, seed: int) -> None:
    """parse() reads what str() wrote, whatever dots and dashes the worker's id has."""
    incarnation = Incarnation(worker_id, index, boot_nonce(Random(seed)))
    assert Incarnation.parse(str(incarnation)) == incarnation
    assert str(incarnation) == f"{incarnation.name}.{incarnation.nonce}"


def test_an_incarnation_shows_its_parts() -> None:
    """People see the name; the nonce follows after a dot."""
    incarnation = Incarnation("web1", 0, "a1b2c3")
    assert (str(incarnation), incarnation.name) == ("web1-0.a1b2c3", "web1-0")
    assert f"{incarnation}" == "web1-0.a1b2c3"


@pytest.mark.parametrize(
    "text",
    ["", "web1", "web1-0", "web1-0.A1B2C3", "web1-00.a1b2c3", "-0.a1b2c3", "web1-0.a1b2c3\n"],
)
def test_what_is_no_incarnation_is_refused(text: str) -> None:
    """Another form raises ValueError."""
    with pytest.raises(ValueError, match="invalid incarnation"):
        Incarnation.parse(text)


def test_nonces_are_six_characters_and_differ() -> None:
    """A hundred starts have a hundred nonces."""
    nonces = {boot_nonce(SystemRandom()) for _ in range(100)}
    assert len(nonces) == 100
    assert all(NONCE.fullmatch(nonce) for nonce in nonces)


@pytest.mark.parametrize("name", ["email.send", "a", "a:b-c_d", "A" + "9" * 127])
def test_good_types_pass(name: str) -> None:
    """A type is a letter and then letters, digits and _ . : - up to 128 characters."""
    assert check_type(name) == name


@pytest.mark.parametrize("name", ["", "9a", "a b", "a\n", "é", "a" * 129, ".a"])
def test_bad_types_are_refused(name: str) -> None:
    """Anything else raises ValueError."""
    with pytest.raises(ValueError, match="invalid task type"):
        check_type(name)


def test_queues_have_no_colon() -> None:
    """A colon separates queue and priority in a stream's name, so no queue has one."""
    assert check_queue("mail.out-1") == "mail.out-1"
    for name in ("a:b", "", "1a", "*", "a" * 65, "a\n"):
        with pytest.raises(ValueError, match="invalid queue"):
            check_queue(name)


def test_worker_ids_may_begin_with_a_digit() -> None:
    """Host names such as 3f2a9c are worker ids; spaces and colons are not allowed."""
    assert check_worker_id("3f2a9c.example-1") == "3f2a9c.example-1"
    for name in ("", "-a", "a b", "a:b", "a" * 65, "a\n"):
        with pytest.raises(ValueError, match="invalid worker id"):
            check_worker_id(name)
