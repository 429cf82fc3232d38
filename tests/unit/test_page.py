"""The page: what a shard writes is what its supervisor reads, across a fork and after a kill -9."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.page import Page, PageState, page_bytes

TOKEN = b"default:1/1732420000000-0/1"
TASK = b"01935b3e-0000-7000-8000-000000000001"


def test_a_new_page_is_empty() -> None:
    """A page nobody has written says so, rather than anything that looks like a shard."""
    seen = Page.create(4).snapshot()
    assert (seen.pid, seen.state, seen.contact_ms, seen.tick_ms) == (0, PageState.STARTING, 0, 0)
    assert seen.slots == ()
    assert seen.executing == ()


@given(
    partition=st.integers(0, 4095),
    token=st.binary(min_size=1, max_size=150),
    task_id=st.binary(min_size=36, max_size=36),
    task_type=st.binary(min_size=1, max_size=128),
)
def test_a_slot_is_read_as_it_was_written(
    partition: int, token: bytes, task_id: bytes, task_type: bytes
) -> None:
    """Whatever partition, token, id and type a slot is given, the reader gets the same."""
    page = Page.create(3)
    page.set_slot(1, partition, token, task_id, task_type)
    (slot,) = page.snapshot().slots
    assert (slot.index, slot.partition, slot.token, slot.task_id, slot.type, slot.executing) == (
        1,
        partition,
        token,
        task_id,
        task_type,
        False,
    )


def test_oversized_text_is_cut_and_spills_nowhere() -> None:
    """A token that can't be is cut; the neighbouring slot stays as it was."""
    page = Page.create(2)
    page.set_slot(1, 2, TOKEN, TASK, b"neighbour")
    page.set_slot(0, 1, b"t" * 5000, b"i" * 5000, b"y" * 5000)
    first, second = page.snapshot().slots
    assert (first.token, first.task_id, first.type) == (b"t" * 160, b"i" * 64, b"y" * 128)
    assert second.type == b"neighbour"


def test_executing_names_the_slot_on_the_loop_and_those_in_threads() -> None:
    """The tasks whose code runs are the one on the event loop and all that run in threads."""
    page = Page.create(4)
    for index in range(4):
        page.set_slot(index, index, TOKEN, TASK, b"type%d" % index)
    page.executing(2)
    page.in_thread(0, running=True)
    assert [slot.index for slot in page.snapshot().executing] == [0, 2]
    page.idle()
    page.in_thread(0, running=False)
    assert page.snapshot().executing == ()


def test_a_cleared_slot_is_gone() -> None:
    """A freed slot is not reported, and a new task in it begins not executing."""
    page = Page.create(1)
    page.set_slot(0, 1, TOKEN, TASK, b"a")
    page.in_thread(0, running=True)
    page.clear_slot(0)
    assert page.snapshot().slots == ()
    page.set_slot(0, 1, TOKEN, TASK, b"b")
    (slot,) = page.snapshot().slots
    assert (slot.type, slot.executing) == (b"b", False)


def test_a_torn_slot_is_reported_as_unreadable() -> None:
    """A writer that died in the middle of a slot leaves it unreadable, the others readable."""
    page = Page.create(2)
    page.set_slot(0, 1, TOKEN, TASK, b"a")
    page.set_slot(1, 1, TOKEN, TASK, b"b")
    page._words[128 // 8] += 1  # as between the two stores of a write
    seen = page.snapshot()
    assert seen.unreadable == 1
    assert [slot.type for slot in seen.slots] == [b"b"]


@pytest.mark.parametrize("index", [-1, 3, 1000])
def test_a_slot_that_is_not_there_is_refused(index: int) -> None:
    """Writing outside the page is an error, never a write into a neighbour."""
    page = Page.create(3)
    with pytest.raises(IndexError):
        page.set_slot(index, 0, TOKEN, TASK, b"a")
    with pytest.raises(IndexError):
        page.clear_slot(index)
    with pytest.raises(IndexError):
        page.in_thread(index, running=True)


def test_a_page_needs_slots_and_room() -> None:
    """A page without slots or in too small a memory is refused with the numbers."""
    with pytest.raises(ValueError, match="at least one slot"):
        Page.create(0)
    with pytest.raises(ValueError, match=str(page_bytes(2))):
        Page(memoryview(bytearray(page_bytes(1))), 2)


def test_times_come_from_the_clock() -> None:
    """Ticks and contact are the clock's monotonic milliseconds at the moment of the call."""
    now = [1000]
    page = Page.create(1, clock_ms=lambda: now[0])
    page.tick()
    now[0] = 2000
    page.loop_tick()
    now[0] = 3000
    page.contact()
    seen = page.snapshot()
    assert (seen.tick_ms, seen.loop_tick_ms, seen.contact_ms) == (1000, 2000, 3000)


def test_able_to_claim_needs_life_readiness_and_contact() -> None:
    """A shard is able to claim while it lives, is not paused, and heard the broker within 3 s."""
    page = Page.create(1, clock_ms=lambda: 10_000)
    page.contact()
    page.state = PageState.READY
    assert not page.snapshot().is_able_to_claim(10_000)
    page.set_pid(4711)
    assert page.snapshot().is_able_to_claim(12_999)
    assert not page.snapshot().is_able_to_claim(13_000)
    page.state = PageState.PAUSED
    assert not page.snapshot().is_able_to_claim(10_001)


def test_a_new_shard_begins_with_a_wiped_page() -> None:
    """Nothing of the predecessor is left but the count of restarts."""
    page = Page.create(2)
    page.set_slot(0, 1, TOKEN, TASK, b"a")
    page.executing(0)
    page.processed, page.failed, page.running = 5, 2, 1
    page.state = PageState.DRAINING
    page.begin(restarts=3)
    seen = page.snapshot()
    assert seen.slots == ()
    assert (seen.processed, seen.failed, seen.running, seen.state) == (0, 0, 0, PageState.STARTING)
    assert seen.restarts == 3
    assert seen.capacity == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_page_outlives_the_process_that_wrote_it() -> None:
    """After a kill -9 the parent still reads what the child was executing."""
    page = Page.create(2)
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        page.set_slot(1, 7, TOKEN, TASK, b"poison")
        page.executing(1)
        page.processed = 41
        os.write(write_fd, b"x")
        signal.pause()
        os._exit(1)
    try:
        assert os.read(read_fd, 1) == b"x"
        os.kill(pid, signal.SIGKILL)
    finally:
        os.waitpid(pid, 0)
        os.close(read_fd)
        os.close(write_fd)
    seen = page.snapshot()
    assert [(slot.partition, slot.type) for slot in seen.executing] == [(7, b"poison")]
    assert seen.processed == 41


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_reader_beside_a_busy_writer_sees_whole_slots_only() -> None:
    """While a writer rewrites a slot without pause, no reading mixes two tasks."""
    page = Page.create(1)
    pid = os.fork()
    if pid == 0:
        for _ in range(5_000_000):  # some seconds, should nobody kill it
            for letter in (b"a", b"b"):
                page.set_slot(0, letter[0], letter * 100, letter * 36, letter * 100)
        os._exit(0)
    try:
        whole = 0
        for _ in range(20_000):
            for slot in page.snapshot().slots:
                letters = set(slot.token + slot.task_id + slot.type) | {slot.partition}
                assert len(letters) == 1, slot
                whole += 1
        assert whole > 0
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
